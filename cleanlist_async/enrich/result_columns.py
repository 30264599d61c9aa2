"""Results as rows and as columns of a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

from cleanlist_async.contacts.cleaning import as_text
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.results import EnrichmentResult, ResultStatus
from cleanlist_async.tables.frames import NewColumn
from cleanlist_async.tables.output_choice import ADDED

_Kind: TypeAlias = Literal["choice", "text", "texts", "number", "whole"]
_Read: TypeAlias = Callable[[EnrichmentResult], object]

_COLUMNS: Final[Mapping[str, tuple[_Kind, _Read]]] = {
    "status": ("choice", lambda result: result.status),
    "email": ("text", lambda result: result.email),
    "email_status": ("text", lambda result: result.email_status),
    "phones": ("texts", lambda result: list(result.phones)),
    "credits": ("number", lambda result: float(result.credits)),
    "error": ("text", lambda result: result.error),
    "workflow_id": ("text", lambda result: result.workflow_id),
    "task_id": ("text", lambda result: result.task_id),
    "duplicate_of": ("whole", lambda result: result.duplicate_of),
}
"""Each of `ADDED`."""
_GIVEN: Final = (("key", "key"), *((f"contact_{field}", field) for field in API_FIELDS))


def enrichment_columns(results: Sequence[EnrichmentResult], names: Mapping[str, str]) -> list[NewColumn]:
    """Return columns that are added to the rows of *results*: *names* goes from column to its name there."""
    columns: list[NewColumn] = []
    for column, name in names.items():
        kind, read = _COLUMNS[column]
        columns.append(NewColumn(name, kind, [read(result) for result in results], _choices(kind)))
    return columns


def report_columns(results: Sequence[EnrichmentResult]) -> list[NewColumn]:
    """Return the columns of results without rows of the caller's: place, key, contact and enrichment."""
    return [
        NewColumn("index", "whole", [result.index for result in results]),
        *(NewColumn(name, "text", [_given(result, field) for result in results]) for name, field in _GIVEN),
        *enrichment_columns(results, {name: name for name in ADDED}),
    ]


def as_dict(result: EnrichmentResult) -> dict[str, Any]:
    """Return a result as a row of `report_columns`."""
    return {
        "index": result.index,
        **{name: _given(result, field) for name, field in _GIVEN},
        **{name: read(result) for name, (_, read) in _COLUMNS.items()},
    }


def _given(result: EnrichmentResult, field: str) -> str | None:
    text = as_text(getattr(result.contact, field))
    # A contact that was refused for lone surrogates still has them, and no frame or file can.
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()


def _choices(kind: _Kind) -> tuple[str, ...]:
    return get_args(ResultStatus) if kind == "choice" else ()
