"""The record of a run: each request that arrived, each contact that was accepted, each credit taken."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from cleanlist_async.contacts.contact import API_FIELDS, Contact, ContactDict

ContactLike: TypeAlias = Contact | ContactDict | Mapping[str, object]
Identity: TypeAlias = tuple[str, ...]
"""The values of ``API_FIELDS``, in that order, without surrounding blanks; "" for an absent one."""

PUBLIC_PREFIX: Final = "/api/v1/public"
MODERN_PREFIX: Final = "/api/v2"
SentContact: TypeAlias = Mapping[str, object]
"""A contact exactly as it was sent."""


def identity_of(contact: ContactLike) -> Identity:
    """Return what makes two contacts the same purchase: the fields that the API is sent."""
    if isinstance(contact, Contact):
        return tuple(_text(getattr(contact, name)) for name in API_FIELDS)
    # From a list, which is faster than a generator: this runs for every contact of a submit.
    return tuple([_text(contact.get(name)) for name in API_FIELDS])


def key_id_of(credential: str) -> str:
    """Return a stable name for an API key or JWT that does not reveal it."""
    return "key_" + hashlib.sha256(credential.encode()).hexdigest()[:12]


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


@dataclass(slots=True)
class RequestRecord:
    """One request, in order of arrival at the application."""

    at: float
    """Seconds on the sandbox's clock."""
    method: str
    """The HTTP method."""
    path: str
    """The path, without the query."""
    query: str
    """The query, as it was sent."""
    key_id: str | None = None
    """Name of the credential; None where it was not accepted."""
    admitted: bool = False
    """The limiter let it through."""
    status: int | None = None
    """What was answered; None for no answer: not yet, reset by a fault, or nobody there any more."""


@dataclass(slots=True)
class AcceptedContact:
    """One contact of an accepted submit, or one lead of an accepted modern enrichment."""

    workflow_id: str
    """The workflow that it is in."""
    task_id: str
    """Its id in that."""
    index: int
    """Position in its request."""
    contact: SentContact
    """Its fields, exactly as sent."""
    enrichment_type: str
    """What is looked for."""
    accepted_at: float
    """Seconds on the sandbox's clock."""
    credits: float = 0.0
    """What it cost so far."""
    charged_at: float | None = None
    """When it finished; None before. ``credits`` may be 0 even then."""

    @property
    def identity(self) -> Identity:
        """What makes two of these the same purchase."""
        return identity_of(self.contact)


@dataclass(frozen=True, slots=True)
class ChargeRecord:
    """Credits that were taken."""

    tool: str
    """What they were taken for: ``enrich_bulk`` of the Public API, or the tool's name in an estimate."""
    credits: float
    """How many."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One attempt to deliver a webhook."""

    workflow_id: str
    """The workflow that it reports."""
    attempt: int
    """Which attempt it was, from 1."""
    delivered: bool
    """Whether the receiver answered 2xx."""
    response_code: int | None
    """The status that it answered with; None for no answer."""
    error_message: str | None
    """Why it failed, if it did."""
    attempted_at: str
    """UTC, ISO 8601."""


@dataclass
class Ledger:
    """Everything that happened; the lists are live, in order of time."""

    requests: list[RequestRecord] = field(default_factory=list[RequestRecord])
    """Every request that arrived."""
    contacts: list[AcceptedContact] = field(default_factory=list[AcceptedContact])
    """Every contact that was accepted."""
    charges: list[ChargeRecord] = field(default_factory=list[ChargeRecord])
    """Every time that credits were taken."""
    deliveries: list[DeliveryRecord] = field(default_factory=list[DeliveryRecord])
    """Every attempt to deliver a webhook."""
    on_read: Callable[[], None] = field(default=lambda: None, repr=False)
    """Brings the charges up to the clock."""

    def accepted_contacts(self) -> list[AcceptedContact]:
        """Return every accepted contact, with its charge as of now."""
        # Workflows finish when somebody looks, not by a timer.
        self.on_read()
        return list(self.contacts)

    def times_accepted(self) -> Counter[Identity]:
        """Count how often each contact was accepted."""
        return Counter(accepted.identity for accepted in self.contacts)

    def duplicates(self) -> dict[Identity, int]:
        """Return the contacts that were accepted more than once: those that could be paid twice."""
        return {identity: times for identity, times in self.times_accepted().items() if times > 1}

    @property
    def credits_charged(self) -> float:
        """Credits taken so far, for contacts and for everything else."""
        self.on_read()
        return sum(charge.credits for charge in self.charges)

    def charge(self, tool: str, credits_: float) -> None:
        """Record credits that were taken."""
        # A purchase that found nothing costs nothing, and is no charge.
        if credits_:
            self.charges.append(ChargeRecord(tool, credits_))

    def status_counts(self) -> Counter[int | None]:
        """Count the answers by HTTP status; None stands for no answer."""
        return Counter(request.status for request in self.requests)

    def count(self, status: int | None) -> int:
        """Count the requests that were answered with ``status``."""
        return self.status_counts()[status]

    def requests_of(self, path: str) -> list[RequestRecord]:
        """Return the requests for ``path``: in full, without ``/api/v1/public``, or with ``*`` in it."""
        return [request for request in self.requests if same_path(request.path, path)]

    def busiest_window(self, window_s: float, key: str | None = None) -> int:
        """Return the largest number of requests that arrived within any ``window_s`` seconds.

        Counts what passed authentication, 429s included; of one key (or key id) if ``key`` is given.
        """
        wanted = {key, key_id_of(key)} if key else None
        arrivals = [r.at for r in self.requests if r.key_id and (wanted is None or r.key_id in wanted)]
        busiest = first = 0
        for last, at in enumerate(arrivals):
            # Exactly one window apart is far enough, as for the limits themselves.
            while at - arrivals[first] >= window_s:
                first += 1
            busiest = max(busiest, last - first + 1)
        return busiest


def same_path(full: str, path: str) -> bool:
    """Whether a request's path is ``path``: in full, without ``/api/v1/public``, or with ``*`` in it."""
    return full in {path, PUBLIC_PREFIX + path} or ("*" in path and fnmatchcase(full, path))


class Account:
    """The organization's credits: what it has, and what running workflows may still take of it."""

    def __init__(self, balance: float, ledger: Ledger) -> None:
        self.balance = balance
        self._reserved = 0.0
        self._ledger = ledger

    @property
    def available(self) -> float:
        """Credits that a new request can count on."""
        return self.balance - self._reserved

    def reserve(self, credits_: float) -> bool:
        """Hold credits for a workflow; False, and nothing held, if there are not enough."""
        if credits_ > self.available:
            return False
        self._reserved += credits_
        return True

    def charge(self, credits_: float, *, reserved: float, tool: str = "enrich_bulk") -> None:
        """Take credits for a purchase, and release what was held for it."""
        self.balance -= credits_
        self._reserved -= reserved
        self._ledger.charge(tool, credits_)
