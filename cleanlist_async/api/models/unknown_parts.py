"""The parts of an answer that this version does not know: what the API has added, or renamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias, cast

from pydantic import BaseModel

from cleanlist_async.api.models.enrichment import PersonFound
from cleanlist_async.api.models.public import BulkStatus, WebhookDelivery
from cleanlist_async.api.models.rows import EnrichmentRow, Row, Text, is_final
from cleanlist_async.types import JSON

PartKind: TypeAlias = Literal["field", "word"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOOKED_AT: Final = 3
"""Items of each list that are looked at: all items of a list are alike, and there may be thousands."""
_RUNNING: Final = frozenset({"pending", "processing", "running", "queued"})
_PERSON: Final = _names(
    "email email_status primary_email primary_email_status other_emails"
    " phones personal_phone_numbers phone_numbers phone"
    " linkedin_url linkedin first_name last_name full_name name headline location"
    " company company_name company_domain domain prospect provider status credits_charged"
)
_OF_ROW: Final = _PERSON | {
    *("task_id", "workflow_id", "prospect_id", "lead_id"),
    *("result", "input", "contact", "error"),
}
_PARTS_OF_ROW: Final[Mapping[str, frozenset[str]]] = {
    "result": _PERSON,
    "prospect": _PERSON,
    "company": frozenset({"name", "domain", "industry", "size", "linkedin_url"}),
}
_READ_TOO: Final[Mapping[str, frozenset[str]]] = {
    # The status of one task is itself a row.
    BulkStatus.__name__: _OF_ROW
    | {*("results", "tasks", "data", "rows"), *("enrichment_type", "total_contacts", "results_limit")},
    WebhookDelivery.__name__: frozenset({"status_code", "http_status", "error", "attempt_number"}),
    "WebhookDeliveries": frozenset({"results", "data", "items"}),
}
"""What a model reads besides its fields, under several names."""


def unknown_parts(value: object) -> Iterator[tuple[PartKind, str]]:
    """Yield fields as ``Whoami.new_field``, and status words as ``BulkStatus.status=polished``."""
    if isinstance(value, BaseModel):
        yield from _of_model(value)
    elif isinstance(value, Row):
        yield from _of_row(value)
    elif isinstance(value, tuple | list):
        for item in cast("Sequence[object]", value)[:_LOOKED_AT]:
            yield from unknown_parts(item)


def _of_model(answer: BaseModel) -> Iterator[tuple[PartKind, str]]:
    name = type(answer).__name__
    if (extra := answer.model_extra) and not isinstance(answer, PersonFound):  # no page names its fields
        for field in extra.keys() - _READ_TOO.get(name, frozenset[str]()):
            yield "field", f"{name}.{field}"
    for field, value in answer.__dict__.items():
        if field == "status" and isinstance(value, str):
            yield from _of_status(name, value, getattr(answer, "status_words", None))
        elif not isinstance(value, str | int | float | None):
            yield from unknown_parts(value)


def _of_row(row: Row) -> Iterator[tuple[PartKind, str]]:
    name = type(row).__name__
    if isinstance(row, EnrichmentRow):
        yield from _of_status(name, row.status)
        yield from _of_mapping(name, row.raw, _OF_ROW)
        return
    for field in row.raw.keys() - _fields_of(type(row)):
        yield "field", f"{name}.{field}"


def _fields_of(kind: type[Row]) -> frozenset[str]:
    members = (item for base in kind.__mro__ for item in vars(base).items())
    return frozenset(name for name, member in members if isinstance(member, Text | property))


def _of_mapping(
    name: str, holder: Mapping[str, JSON], known: frozenset[str]
) -> Iterator[tuple[PartKind, str]]:
    for field, value in holder.items():
        if field not in known:
            yield "field", f"{name}.{field}"
        elif isinstance(value, dict) and (inner := _PARTS_OF_ROW.get(field)) is not None:
            yield from _of_mapping(f"{name}.{field}", value, inner)


def _of_status(name: str, word: str, words: frozenset[str] | None = None) -> Iterator[tuple[PartKind, str]]:
    is_known = (word.lower() in _RUNNING or is_final(word)) if words is None else word.lower() in words
    if word and not is_known:
        yield "word", f"{name}.status={word}"
