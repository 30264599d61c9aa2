"""Base classes of answers: lenient parsing, the fields that most share, and parts that are not known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeAlias, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from cleanlist_async import facts
from cleanlist_async.api.models.rows import EnrichmentRow, Row, Text, is_final
from cleanlist_async.types import JSON, CohortId

Number: TypeAlias = int | float
"""Credits: whole on one surface, fractions on the other (docs.cleanlist.ai/api-reference/credits)."""


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment: TypeAlias = Annotated[datetime, AfterValidator(_aware)]
"""A time in any of the API's formats: epoch seconds or milliseconds, ISO 8601, or without a zone (UTC)."""


_SHOWN: Final = 5
"""Items of a list that its repr shows; of a longer one, their number."""


@dataclass(frozen=True, slots=True)
class _Counted:
    items: int

    def __repr__(self) -> str:
        return f"<{self.items:,} items>"


class Answer(BaseModel):
    """Base of every answer: unknown fields are kept in ``model_extra``, and errors do not quote input."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    status_words: ClassVar[frozenset[str] | None] = None
    """What its `status` may be, in lower case; None for that of work, such as ``processing``.

    Any other word is an event, `UnknownPart`."""
    also_read: ClassVar[frozenset[str] | None] = frozenset()
    """Names that it reads besides its fields; None where no page names its fields.

    Any other field is an event, too."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what a line can show: neither what the server did not say, nor a page of rows."""
        for name, value in super().__repr_args__():
            if value is not None:
                count = len(cast("Sized", value)) if isinstance(value, list | tuple | dict) else 0
                yield name, _Counted(count) if count > _SHOWN else value


class ModernAnswer(Answer):
    """Base of the modern answers, which tolerate any value in any field.

    A field that is missing, null, or of another type has its empty value; for credits None, since 0 would be
    a statement. ``model_fields_set`` names the fields that were understood.
    """

    # Some ids come as numbers, for example those of the search database.
    model_config = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)

    known_by: ClassVar[tuple[str, ...]] = ()
    """An answer with none of these fields belongs to another call."""
    essential: ClassVar[tuple[str, ...]] = ()
    """Without these fields an answer is useless: a purchase could not be followed, or a page has no items."""

    @classmethod
    def read(cls, answer: JSON) -> Self:
        """Parse *answer*. Raises ValueError if it is not an answer of this kind."""
        if not isinstance(answer, dict) or (cls.known_by and not any(n in answer for n in cls.known_by)):
            raise ValueError(f"not a {cls.__name__}")
        # See MAX_ITEMS: nothing that the API offers has more. Building models takes longer than parsing, so
        # more would block the event loop.
        if any(isinstance(items, list) and len(items) > facts.MAX_ITEMS for items in answer.values()):
            raise ValueError(f"a {cls.__name__} of too many items")
        said = answer
        for _ in range(_ROUNDS):
            # First as it is: most answers are as specified, and need no copy.
            try:
                return _useful(cls.model_validate(answer), said)
            except ValidationError as problem:
                if problem.error_count() > _MOST_ERRORS:
                    break
                bad = problem.errors(include_url=False, include_context=False, include_input=False)
            # Of a copy, since `said` tells a field that had to be removed from one that was missing.
            answer = _without(_copy(answer), [error["loc"] for error in bad])
        raise ValueError(f"not a {cls.__name__}")

    @classmethod
    def read_json(cls, body: bytes) -> Self | None:
        """Parse an answer from its bytes, at half the cost; None where the lenient `read` is needed."""
        try:
            answer = cls.model_validate_json(body)
        except ValidationError:
            return None
        understood = answer.model_fields_set
        # What `read` and `holds_error` would refuse goes their way, so that both ways end the same.
        if "error" in understood or (cls.known_by and understood.isdisjoint(cls.known_by)):
            return None
        return answer if all(getattr(answer, name) not in (None, "") for name in cls.essential) else None


class CommonFields(ModernAnswer):
    """Fields that most modern answers have (docs.cleanlist.ai/mcp-api/introduction)."""

    timestamp_ms: int | None = None
    """When the answer was made, in epoch milliseconds; :attr:`timestamp` gives it as a datetime."""
    agent_instructions: str | None = None
    """Advice of the server to language models; never interpreted here."""
    usage: str | None = None
    """The server's remark about the use of the operation."""
    message: str | None = None
    """The server's own message to people."""

    @property
    def timestamp(self) -> datetime | None:
        """When the answer was made, by the server's clock."""
        if self.timestamp_ms is None:
            return None
        try:
            return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)
        except (OverflowError, OSError, ValueError):
            return None


class Envelope(CommonFields):
    """Common fields, and a handle on the entities of the answer."""

    task_id: CohortId | None = None
    """A cohort of the entities of the answer, for `enrich_by_task` and `add_leads_to_list`."""


_A = TypeVar("_A", bound=ModernAnswer)
_ROUNDS: Final = 4
"""Removing one invalid value can reveal another; no answer needs more than two rounds."""
_MOST_ERRORS: Final = 2 * facts.MAX_ITEMS
_GONE: Final = cast("JSON", object())


def _useful(answer: _A, said: Mapping[str, JSON]) -> _A:
    for name in answer.essential:
        # An essential field that had to be removed is as bad as one that is missing.
        misread = name not in answer.model_fields_set and said.get(name) is not None
        if misread or getattr(answer, name) in (None, ""):
            raise ValueError(f"a {type(answer).__name__} without {name}")
    return answer


def _copy(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _without(answer: JSON, locs: Iterable[Sequence[str | int]]) -> dict[str, JSON]:
    """Remove the values that errors point to from *answer*; a fraction in place of a count is truncated."""
    shortened: dict[int, list[JSON]] = {}
    # Once a holder is removed, paths into it lead nowhere.
    deepest_first = sorted({_path(answer, loc) for loc in locs}, key=len, reverse=True)
    for path in deepest_first:
        holder: Any = answer
        for part in path[:-1]:
            holder = holder[part]
        value = cast("JSON", holder[path[-1]])
        # pydantic refuses a fraction in an integer field, but a count of 3.5 still means about 3.
        if isinstance(value, float) and not value.is_integer():
            holder[path[-1]] = int(value)
        elif isinstance(holder, dict):
            del holder[path[-1]]
        else:
            # Marked here and removed together below: removing one at once would shift the other indexes.
            holder[path[-1]] = _GONE
            shortened[id(holder)] = holder
    for items in shortened.values():
        items[:] = [item for item in items if item is not _GONE]
    return cast("dict[str, JSON]", answer)


def _path(answer: JSON, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the part of a loc that leads to a value; the rest names branches of its type."""
    holder: Any = answer
    for depth, part in enumerate(loc):
        if not (isinstance(holder, list) if isinstance(part, int) else _has(holder, part)):
            return tuple(loc[:depth])
        holder = holder[part]
    return tuple(loc)


def _has(holder: JSON, name: str) -> bool:
    return isinstance(holder, dict) and name in holder


# -- what the API has added, or renamed --------------------------------------------------------------

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
OF_ROW: Final = _PERSON | _names("task_id workflow_id prospect_id lead_id result input contact error")
"""What is read of the result of one contact."""
_PARTS_OF_ROW: Final[Mapping[str, frozenset[str]]] = {
    "result": _PERSON,
    "prospect": _PERSON,
    "company": frozenset({"name", "domain", "industry", "size", "linkedin_url"}),
}


def unknown_parts(value: object) -> Iterator[tuple[PartKind, str]]:
    """Yield fields as ``Whoami.new_field``, and status words as ``BulkStatus.status=polished``."""
    if isinstance(value, Answer):
        yield from _of_model(value)
    elif isinstance(value, Row):
        yield from _of_row(value)
    elif isinstance(value, tuple | list):
        for item in cast("Sequence[object]", value)[:_LOOKED_AT]:
            yield from unknown_parts(item)


def _of_model(answer: Answer) -> Iterator[tuple[PartKind, str]]:
    name = type(answer).__name__
    if answer.model_extra and answer.also_read is not None:
        for field in answer.model_extra.keys() - answer.also_read:
            yield "field", f"{name}.{field}"
    for field, value in answer.__dict__.items():
        if field == "status" and isinstance(value, str):
            yield from _of_status(name, value, answer.status_words)
        elif not isinstance(value, str | int | float | None):
            yield from unknown_parts(value)


def _of_row(row: Row) -> Iterator[tuple[PartKind, str]]:
    name = type(row).__name__
    if isinstance(row, EnrichmentRow):
        yield from _of_status(name, row.status)
        yield from _of_mapping(name, row.raw, OF_ROW)
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
