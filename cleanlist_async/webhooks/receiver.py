"""The webhook receiver of an application: authenticates posts by their address, and passes events on."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, get_args
from urllib.parse import urlsplit

from cleanlist_async import facts
from cleanlist_async.checks import check_choice, check_methods, check_webhook_url, check_whole, wrong
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.events import OpenFailures
from cleanlist_async.http.decode import is_large
from cleanlist_async.webhooks.event import (
    BodyReader,
    Event,
    EventStore,
    RefusedEventError,
    check_content_type,
)
from cleanlist_async.webhooks.submission import ClosedSubmissions, Submission, WebhookStatistics
from cleanlist_async.webhooks.tokens import (
    SECRET_VARIABLE,
    find_secret,
    is_token,
    new_submission_id,
    submission_of,
    token_of,
)

if TYPE_CHECKING:
    from cleanlist_async.storage.store.store import Store

log: Final = logging.getLogger("cleanlist_async")

Confirm: TypeAlias = Literal["auto", "always"]
_LONGEST_TOKEN: Final = 128


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The response to the sender: an HTTP status and, for an error, its reason."""

    status: int
    """The HTTP status to answer with."""
    reason: str | None = None
    """What is wrong with the event, if anything."""


class TokenOwner(Protocol):
    """An object with tokens of its own, such as an open job, which keeps them in its journal."""

    def knows(self, token: str) -> bool:
        """Whether a token is one of its own."""
        ...

    def receive(self, token: str, payload: bytes) -> bool:
        """Store an event durably. Raises CleanlistError if that fails."""
        ...


class WebhookReceiver:
    """Receives webhooks for the clients and jobs of a process. Give it to `AsyncCleanlist` as `webhooks`.

    Webhooks are not signed (docs.cleanlist.ai/guides/receiving-webhooks). Each submit has an address of its
    own below `public_url`, which only the server learns, and an event that arrives there is believed if its
    workflow and tasks are those of this submit. Any other event only leads to a status request. Call
    `receive` in the event loop of its clients.

    Parameters
    ----------
    public_url
        The https address under which the application receives: ``https://app.example/webhooks/cleanlist``.
        For each post below it, pass the last part of the path to `receive`.
    secret
        The secret of which the addresses are made; the same for all workers that share `public_url`. By
        default ``$CLEANLIST_WEBHOOK_SECRET``, else a random one for this process.
    confirm
        ``"always"`` makes a status request for each event, and believes only its answer.
    mailbox
        Where workers store events for one another: a `FileMailbox`, a `RedisMailbox`, or the `Store` of the
        client. Without one, an event that reaches another worker than the one that submitted is dropped, or
        refused if it is of a job, and the latter asks the server.
    max_body_bytes
        Bytes of one event; a longer one is refused. A mailbox may accept less.

    Raises
    ------
    ConfigurationError
        For arguments that cannot work.

    """

    _public_url = ""  # shown by repr, which a traceback may ask for in the middle of __init__

    def __init__(
        self,
        public_url: str,
        *,
        secret: str | None = None,
        confirm: Confirm = "auto",
        mailbox: EventStore | Store | None = None,
        max_body_bytes: int = facts.MAX_WEBHOOK_BYTES,
        store: EventStore | None = None,
    ) -> None:
        try:
            self._secret = find_secret(secret)
            self._public_url = _checked_url(public_url)
        except ConfigurationError as refusal:
            raise refusal.with_traceback(None) from None  # its frames hold the secret, and maybe a password
        finally:
            del secret, public_url  # a traceback that shows local variables must not show them
        check_choice("confirm", confirm, get_args(Confirm))
        check_whole("max_body_bytes", max_body_bytes, "a number of bytes", at_least=1)
        self._confirm: Confirm = confirm
        self.mailbox = _mailbox("mailbox", mailbox)
        if store is not None:
            self.mailbox = _mailbox("store", store)
            warnings.warn("store= is called mailbox= now.", DeprecationWarning, stacklevel=2)
        self._bodies = BodyReader(max_body_bytes)
        self._open: dict[str, Submission] = {}
        self._closed = ClosedSubmissions()
        self._owners: dict[TokenOwner, None] = {}
        self.counts = WebhookStatistics()  # those of now, which `TokenOwner`s keep as well
        self._failures = OpenFailures()
        self._has_met_foreign = False

    @property
    def public_url(self) -> str:
        """The address, without a slash at its end."""
        return self._public_url

    @property
    def confirm(self) -> Confirm:
        """Whether a status request is made for each event."""
        return self._confirm

    def statistics(self) -> WebhookStatistics:
        """Return the counts of events so far."""
        return replace(self.counts)

    # -- posts ---------------------------------------------------------------------------------

    async def receive(
        self, token: str, content_type: str | None, body: bytes | AsyncIterable[bytes]
    ) -> WebhookAnswer:
        """Accept a post to ``<public_url>/<token>``, and return the answer to give.

        2xx once the event is safe: passed to the submit that waits for it, or written to the mailbox or the
        journal of its job. 404 for a token that is not ours, or, without a mailbox, of a job that is not open
        here; 415 if the body is not JSON, 413 if it is too large (a *body* in chunks is read no further), 400
        if it is not an event. 429 when more events come to one address than a submit has, and 503 when the
        event cannot be stored: the server sends it again. Raises nothing, and follows no address.
        """
        try:
            await self._receive(token, content_type, body)
        except RefusedEventError as refusal:
            self.counts.refused += 1
            return WebhookAnswer(refusal.status, refusal.reason)
        return WebhookAnswer(204)

    async def _receive(
        self, token: str, content_type: str | None, body: bytes | AsyncIterable[bytes]
    ) -> None:
        # Cheap checks first: a forged post is refused before its body is read.
        deliver = self._recipient_of(token)
        check_content_type(content_type)
        raw = await self._bodies.read(token, body)
        if is_large(raw, of_models=False):
            event = await asyncio.get_running_loop().run_in_executor(None, Event.read, raw)
        else:
            event = Event.read(raw)
        await deliver(event, raw)
        self.counts.received += 1

    def _recipient_of(self, token: str) -> Callable[[Event, bytes], Awaitable[None]]:
        """Return the function that accepts events of a token. Raises RefusedEventError if there is none."""
        # The proof in the token comes first: it needs no lookup, which forged posts could exploit.
        if (submission_id := submission_of(token, self._secret)) is not None:
            return partial(self._deliver, submission_id)
        owner, is_certain = self._owner_of(token)
        if owner is not None:
            return partial(self._deliver_to_owner, owner, token)
        if self.mailbox is not None and (submission_id := self.mail_id(token)) is not None:
            return partial(self._store_event, self.mailbox, submission_id)
        if is_certain:
            self._note_foreign(token)
            raise RefusedEventError(404, "unknown")
        raise RefusedEventError(503, "cannot be looked up now")

    def _note_foreign(self, token: str) -> None:
        """Warn once of an event for an address that another secret made; anyone can forge more of them."""
        if is_token(token) and not self._has_met_foreign:
            self._has_met_foreign = True
            log.warning(
                "a webhook came for an address that was made with another secret: do all workers of %s share"
                " $%s, and do restarted ones keep it?",
                self._public_url,
                SECRET_VARIABLE,
            )

    async def _deliver(self, submission_id: str, event: Event, raw: bytes) -> None:
        """Pass an event to its submission, in this worker or another."""
        if (submission := self._open.get(submission_id)) is not None:
            submission.receive(event)
        # A submission that was closed here is no other worker's either, so its late events are dropped.
        elif self.mailbox is None or submission_id in self._closed:
            self.counts.dropped += 1
            self._closed.note_late(submission_id, event)
        else:
            await self._store_event(self.mailbox, submission_id, event, raw)

    async def _store_event(self, mailbox: EventStore, submission_id: str, _event: Event, raw: bytes) -> None:
        """Store an event for another worker."""
        try:
            is_kept = await mailbox.put(submission_id, raw)
        except Exception as problem:  # noqa: BLE001  # a mailbox of the caller's own may raise anything
            self._failures.add("storing an event for another worker", problem)
            # 503 makes the server send it again; 2xx would lose the event.
            raise RefusedEventError(503, "cannot be stored now") from None
        self._failures.clear("storing an event for another worker")
        if is_kept is False:
            raise RefusedEventError(429, "too many events wait")
        self.counts.passed_on += 1

    def take_over(self, submission_id: str, raw: bytes) -> None:
        """Pass an event from the mailbox, received by another worker, to its submission."""
        submission = self._open.get(submission_id)
        try:
            event = Event.read(raw)
        except RefusedEventError:  # only if the mailbox was tampered with: the other worker has read it
            return
        self.counts.received += 1
        if submission is not None:
            submission.receive(event)
        else:
            self.counts.dropped += 1

    # -- owners of tokens ----------------------------------------------------------------------

    def begin(self, on_close: Callable[[str], None] = lambda _id: None) -> tuple[str, Submission]:
        """Make a submission with an address of its own, and return it after its id.

        It receives events until it is closed; *on_close* is then called with its id.
        """
        self.counts.expected += 1
        id_ = new_submission_id()  # known before the request is sent, so no event can come too early

        def close() -> None:
            if self._open.pop(id_, None) is not None:
                self._closed.add(id_, submission)
                on_close(id_)

        submission = self._open[id_] = Submission(
            f"{self._public_url}/{token_of(id_, self._secret)}",
            confirm_always=self._confirm == "always",
            statistics=self.counts,
            on_close=close,
        )
        return id_, submission

    def expect(self) -> Submission:
        """Make a submission for events that a `TokenOwner` receives and passes on to it."""
        return Submission(confirm_always=self._confirm == "always", statistics=self.counts)

    def new_token(self) -> str:
        """Make a token for a `TokenOwner`. The mailbox keeps its events under its `mail_id`."""
        self.counts.expected += 1
        return token_of(new_submission_id(), self._secret, "job")

    def mail_id(self, token: str) -> str | None:
        """Return the id under which a mailbox keeps events of an owner's token; None for a foreign token."""
        return submission_of(token, self._secret, "job")

    def attach(self, owner: TokenOwner) -> None:
        """Pass events of *owner*'s tokens to it from now on."""
        self._owners[owner] = None

    def detach(self, owner: TokenOwner) -> None:
        """Stop passing events to *owner*."""
        self._owners.pop(owner, None)

    def _owner_of(self, token: str) -> tuple[TokenOwner | None, bool]:
        """Return the owner of a token, and whether every owner could be asked."""
        if not (isinstance(token, str) and token.isascii() and len(token) <= _LONGEST_TOKEN):  # pyright: ignore[reportUnnecessaryIsInstance]
            return None, True
        is_certain = True
        for owner in self._owners:
            try:
                if owner.knows(token):
                    return owner, True
            except Exception as problem:  # noqa: BLE001  # a broken owner must not hide the tokens of others
                self._failures.add("looking up a webhook's token", problem)
                is_certain = False
        if is_certain:
            self._failures.clear("looking up a webhook's token")
        return None, is_certain

    async def _deliver_to_owner(self, owner: TokenOwner, token: str, _event: Event, raw: bytes) -> None:
        try:
            owner.receive(token, raw)
        except Exception as problem:  # noqa: BLE001  # the event was not stored, for whatever reason
            self._failures.add("recording a webhook of a job", problem)
            raise RefusedEventError(503, "cannot be stored now") from None
        self._failures.clear("recording a webhook of a job")

    def __repr__(self) -> str:
        return f"<WebhookReceiver {self._public_url}>"


def _mailbox(name: str, mailbox: EventStore | Store | None) -> EventStore | None:
    if mailbox is None:
        return None
    from cleanlist_async.storage.store.store import Store  # noqa: PLC0415  # not everybody has one
    from cleanlist_async.webhooks.mailbox import StoreMailbox  # noqa: PLC0415

    if isinstance(mailbox, Store):
        return StoreMailbox(mailbox)
    check_methods(name, mailbox, "put", "take")
    return mailbox


def _checked_url(public_url: str) -> str:
    if public_url is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise wrong("public_url", "a public https address", public_url)
    check_webhook_url(public_url, "public_url")
    parts = urlsplit(public_url)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigurationError("public_url must not hold a user, a query or a fragment.")
    return public_url.rstrip("/")
