"""One contact's result as the server tells it, in either documented shape.

Flat (docs.cleanlist.ai/api-reference/webhooks): ``primary_email``, ``primary_email_status``,
``personal_phone_numbers``, ``prospect``, ``company``. Nested, as integrators report it: ``result`` with
``email``, ``email_status``, ``phones``, ``linkedin_url``, beside an ``input`` that echoes the contact.
A plain class rather than a model: an answer holds 250 of them, and nothing in them may be fatal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from cleanlist_async.errors import JSON
from cleanlist_async.facts import FAILED_STATUSES, FINAL_STATUSES

_NOTHING: Final[Mapping[str, JSON]] = {}


def is_final(status: str) -> bool:
    """Whether a workflow or row with this status word no longer changes."""
    word = status.lower()
    return word in FINAL_STATUSES or word.startswith("completed_")


@dataclass(frozen=True, slots=True)
class EnrichmentRow:
    """What the server found for one contact. Anything it did not say is None or empty."""

    task_id: str | None = None
    status: str = ""
    email: str | None = None
    email_status: str | None = None
    phones: tuple[str, ...] = ()
    linkedin_url: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    company_name: str | None = None
    company_domain: str | None = None
    input: Mapping[str, JSON] = field(default_factory=dict[str, JSON], repr=False)
    error: str | None = None
    credits_charged: float | None = None
    raw: Mapping[str, JSON] = field(default_factory=dict[str, JSON], repr=False)

    @property
    def is_final(self) -> bool:
        """Whether the server is done with this contact."""
        return not self.status or is_final(self.status)

    @property
    def failed(self) -> bool:
        """Whether the server says that it has nothing for this contact."""
        return self.status.lower() in FAILED_STATUSES

    @property
    def has_findings(self) -> bool:
        """Whether there is an e-mail address or a phone number."""
        return bool(self.email or self.phones)

    @classmethod
    def parse(cls, raw: Mapping[str, JSON]) -> EnrichmentRow:
        """Read a row of either shape; whatever cannot be read is left out, and ``raw`` keeps all."""
        result = _mapping(raw, "result") or raw
        prospect = _mapping(result, "prospect") or _mapping(raw, "prospect") or result
        # Where the flat shape's name is there, a bare `email` can only be the echo of what was asked.
        found_email = "primary_email" if "primary_email" in result else "email"
        company_holder = result.get("company", raw.get("company"))
        company = cast("Mapping[str, JSON]", company_holder) if isinstance(company_holder, dict) else _NOTHING
        return cls(
            task_id=_text(raw, "task_id"),
            status=_text(raw, "status") or _text(result, "status") or "",
            email=_text(result, found_email),
            email_status=_text(result, f"{found_email}_status"),
            phones=_phones(result),
            linkedin_url=_text(result, "linkedin_url") or _text(prospect, "linkedin_url", "linkedin"),
            first_name=_text(prospect, "first_name"),
            last_name=_text(prospect, "last_name"),
            full_name=_text(prospect, "full_name", "name"),
            company_name=_text(company, "name") or _text(result, "company_name", "company"),
            company_domain=_text(company, "domain") or _text(result, "company_domain", "domain"),
            input=_mapping(raw, "input") or _mapping(raw, "contact") or _NOTHING,
            error=_text(raw, "error"),
            credits_charged=_number(raw.get("credits_charged", result.get("credits_charged"))),
            raw=raw,
        )


def _mapping(holder: Mapping[str, JSON], name: str) -> Mapping[str, JSON] | None:
    value = holder.get(name)
    return value if isinstance(value, dict) and value else None


def _text(holder: Mapping[str, JSON], *names: str) -> str | None:
    for name in names:
        value = holder.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def _number(value: JSON) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _phones(result: Mapping[str, JSON]) -> tuple[str, ...]:
    for name in ("phones", "personal_phone_numbers", "phone_numbers", "phone"):
        value = result.get(name)
        numbers = [_phone(item) for item in (value if isinstance(value, list) else [value])]
        if any(numbers):
            return tuple(number for number in numbers if number)
    return ()


def _phone(item: JSON) -> str | None:
    if isinstance(item, dict):
        return _text(item, "number", "phone", "phone_number", "value")
    return item if isinstance(item, str) and item else None
