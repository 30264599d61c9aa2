"""Results of contacts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from cleanlist_async.checks import check_instance
from cleanlist_async.contacts.contact import CONTACT_FIELDS, Contact
from cleanlist_async.contacts.texts import as_text
from cleanlist_async.errors import ConfigurationError, FieldError, RequestValidationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.types import JSON, Billed

if TYPE_CHECKING:
    from pydantic import TypeAdapter

ResultStatus: TypeAlias = Literal["found", "not_found", "invalid", "pending", "unknown", "failed"]

REFUSED: Final = "refused: "
"""Begins the ``error`` of a contact that the server called invalid: what follows are its words."""
COLUMN_PREFIX: Final = "cleanlist_"
"""Before the names of the columns that an enrichment adds to a table."""


@dataclass(slots=True)
class EnrichmentResult:
    """The result of one contact.

    Attributes
    ----------
    index
        Its 0-based position in the input.
    status
        ``found``; ``not_found`` (the server is done and has nothing); ``invalid`` (not sent, or refused by
        the server, with the reason in ``error``); ``pending`` (accepted, perhaps paid, but not finished or
        not certainly this person's; fetched for free by ``client.collect``); ``unknown`` (the submit may have
        been processed); ``failed`` (never accepted, or the server ended its workflow, which costs nothing).
    contact, key
        The contact as it was given, and its own `key`.
    email, email_status, phones
        What was found, and how certain the server is of the address.
    enrichment_type
        What was looked for.
    task_id, workflow_id
        The server's ids, as far as known.
    duplicate_of
        The index of the first contact with the same data, bought once for both.
    credits_charged, credits_estimated
        Credits as the server reports them, None where it does not; and by the price list. 0 for duplicates.
    raw
        The server's row, whole.
    bought_at, bought_for
        When it was bought, and for how many credits, for a result of the client's store, which costs nothing
        now; else None. `bought_for` is None too for one that is told for the first time, because the run that
        bought it had ended: `credits` is what it cost.

    """

    index: int
    contact: Contact
    status: ResultStatus
    key: str | None = None
    email: str | None = None
    email_status: str | None = None
    phones: tuple[str, ...] = ()
    task_id: str | None = None
    workflow_id: str | None = None
    duplicate_of: int | None = None
    error: str | None = None
    enrichment_type: EnrichmentType | None = None
    credits_charged: float | None = None
    credits_estimated: float = 0.0
    raw: Mapping[str, JSON] | None = field(default=None, repr=False)
    bought_at: datetime | None = None
    bought_for: float | None = None

    def raise_for_invalid(self, *, loc: tuple[str | int, ...] = ("body",)) -> None:
        """Raise RequestValidationError if the contact is ``invalid``; its field error says what is missing.

        For a service whose caller sent the contact: `problem_response` answers with 422 and our own words,
        never those of the server. *loc* is the path to the contact in that request, as FastAPI has it: of a
        list of contacts it is ``("body", result.index)``.
        """
        check_instance("loc", loc, tuple)
        if self.status != "invalid":
            return
        reason = self.error or ""
        # The status tells the server's words, which may quote any contact, from those of our own checks.
        error = RequestValidationError(reason, status=422 if reason.startswith(REFUSED) else None)
        error.field_errors = (FieldError(loc, reason, "invalid"),)
        raise error

    def to_json(self) -> str:
        """Return the result as a JSON object with all its fields, for a queue or a column of a database.

        What of a refused contact is no text is null, and lone surrogates are question marks.
        """
        given = {name: cast("object", getattr(self.contact, name)) for name in CONTACT_FIELDS}
        odd = {name: as_text(value) for name, value in given.items() if not isinstance(value, str | None)}
        result = replace(self, contact=replace(self.contact, **odd)) if odd else self
        try:
            return _adapter().dump_json(result).decode()
        except ValueError:  # of pydantic, for what UTF-8 cannot hold
            plain = json.dumps(_adapter().dump_python(result), ensure_ascii=False, default=str)
            return plain.encode("utf-8", "replace").decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> EnrichmentResult:
        """Return the result that `to_json` wrote; ``client.collect`` takes it as any other.

        Raises ConfigurationError for anything else.
        """
        from pydantic import ValidationError  # noqa: PLC0415  # results are imported without pydantic

        try:
            return _adapter().validate_json(text)
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False)[0]
        # Out here: as the context of this error, a ValidationError would quote the contact.
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"This is no result in JSON: {where} {first['msg'].lower()}.".replace("  ", " ")
        )

    @property
    def credits(self) -> float:
        """Credits charged where the server reports them, else estimated."""
        # Not `or`: 0 credits charged is a statement of the server.
        return self.credits_estimated if self.credits_charged is None else self.credits_charged

    @property
    def billed(self) -> Billed:
        """Whether this contact was paid for: ``"no"``, ``"yes"`` or ``"unknown"``.

        By the server's word where it gave one, else by the price list, in which a contact without findings
        costs nothing (docs.cleanlist.ai/api-reference/enrichment-types). So ``invalid``, ``failed``,
        ``not_found`` and duplicates are ``"no"``. ``unknown`` is ``"unknown"``, and so is ``pending``, unless
        its type is ``none``, which is free. ``prospecting_only`` without findings about the contact is
        ``"unknown"`` too: it is billed by the contacts that it discovered, and the API does not say how many.
        """
        if self.status == "unknown":
            return "unknown"
        if self.credits > 0:
            return "yes"
        may_cost = self.status == "pending" and self.enrichment_type != "none"
        may_cost |= (
            self.status == "found"
            and self.enrichment_type == "prospecting_only"
            and self.duplicate_of is None
        )
        return "unknown" if may_cost and self.credits_charged is None else "no"


@cache
def _adapter() -> TypeAdapter[EnrichmentResult]:
    from pydantic import TypeAdapter  # noqa: PLC0415  # as above

    return TypeAdapter(EnrichmentResult)
