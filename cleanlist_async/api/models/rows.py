"""Rows of answers, above all the result of one contact, in either known shape.

Flat (docs.cleanlist.ai/api-reference/webhooks): ``primary_email``, ``personal_phone_numbers``, ``prospect``,
``company``. Nested, as integrators report it: ``result`` with ``email``, ``phones``, ``linkedin_url``, beside
an ``input`` that echoes the contact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self, cast, overload

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from cleanlist_async.facts import FAILED_STATUSES, FINAL_STATUSES
from cleanlist_async.types import JSON

_LONGEST_WORD: Final = 40
"""Characters of a status that are compared."""
_NOTHING: Final[Mapping[str, JSON]] = {}


def is_final(status: str) -> bool:
    """Whether a workflow or row with this status word no longer changes."""
    word = _word(status)
    return word in FINAL_STATUSES or word.startswith("completed_")


def is_failed(status: str) -> bool:
    """Whether a workflow or row with this status word ended without being finished."""
    return _word(status) in FAILED_STATUSES


def _word(status: str) -> str:
    return status[:_LONGEST_WORD].lower()  # cut first: a status may be as long as the answer


class Row:
    """One of the hundreds of rows of an answer: a view of the server's JSON object, which is `raw`.

    A plain class: building hundreds of models takes longer than parsing the whole answer. Fields are read on
    access, and no value in them is an error.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Mapping[str, JSON]) -> None:
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, type(self)) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def model_dump(self) -> dict[str, JSON]:
        """Return the row as a dictionary, as models do: the server's own."""
        return dict(self.raw)

    @classmethod
    def several(cls, items: object) -> tuple[Self, ...] | None:
        """Make rows of the objects in a list, skipping other items; None if it is not a list."""
        if not isinstance(items, list | tuple):
            return None
        listed = cast("Sequence[dict[str, JSON] | Self]", items)
        rows = [
            cls(item) if isinstance(item, dict) else item
            for item in listed
            if isinstance(item, dict) or isinstance(item, cls)  # noqa: SIM101  # a tuple of types takes twice as long
        ]
        return tuple(rows)

    @classmethod
    def _of(cls, item: object) -> Self:
        if isinstance(item, dict):
            return cls(cast("dict[str, JSON]", item))
        if isinstance(item, cls):
            return item
        raise ValueError(f"not a {cls.__name__}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        """Let pydantic build a row from an object, and serialize it as that object."""
        an_object = core_schema.dict_schema(core_schema.str_schema())
        return core_schema.no_info_plain_validator_function(
            cls._of,
            json_schema_input_schema=an_object,
            serialization=core_schema.plain_serializer_function_ser_schema(_raw, return_schema=an_object),
        )


class AsBuilt:
    """Marks rows that this package built, which pydantic need not validate."""

    @staticmethod
    def __get_pydantic_core_schema__(source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        checked = handler(source)
        return core_schema.any_schema(
            serialization=core_schema.plain_serializer_function_ser_schema(tuple, return_schema=checked)
        )


class Text:
    """A field of a row that holds a text, or nothing."""

    def __set_name__(self, owner: type[Row], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, row: None, owner: type[Row]) -> Self: ...
    @overload
    def __get__(self, row: Row, owner: type[Row]) -> str | None: ...
    def __get__(self, row: Row | None, owner: type[Row]) -> str | Self | None:
        if row is None:
            return self
        # The common case without another call: an answer has thousands of fields.
        value = row.raw.get(self._name)
        return value if type(value) is str and value else text_of(row.raw, self._name)


class EnrichmentRow(Row):
    """What the server found for one contact. Fields that it left out are None or empty.

    *fields* is what the properties read; `raw` is the server's row, by default the same.
    """

    __slots__ = ("_fields", "_prospect", "_result")

    def __init__(self, fields: Mapping[str, JSON], raw: Mapping[str, JSON] | None = None) -> None:
        super().__init__(fields if raw is None else raw)
        self._fields = fields
        # In the flat shape the findings are in the row itself.
        self._result = _mapping(fields, "result") or fields
        self._prospect = _mapping(self._result, "prospect") or _mapping(fields, "prospect") or self._result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EnrichmentRow):
            return NotImplemented
        return self._fields == other._fields and self.raw == other.raw

    __hash__ = None

    def __repr__(self) -> str:
        return f"EnrichmentRow(task_id={self.task_id!r}, status={self.status!r}, ...)"

    def but(self, **fields: JSON) -> EnrichmentRow:
        """Return a row with some fields replaced, and the same `raw`."""
        return EnrichmentRow({**self._fields, **fields}, self.raw)

    @property
    def task_id(self) -> str | None:
        """The server's id for this contact in its workflow."""
        return text_of(self._fields, "task_id")

    @property
    def status(self) -> str:
        """The server's status word; empty if there is none."""
        return text_of(self._fields, "status") or text_of(self._result, "status") or ""

    @property
    def email(self) -> str | None:
        """The address that was found."""
        return text_of(self._result, self._email_name)

    @property
    def email_status(self) -> str | None:
        """How certain the server is of the address."""
        return text_of(self._result, f"{self._email_name}_status")

    @property
    def phones(self) -> tuple[str, ...]:
        """The numbers that were found."""
        return _phones(self._result)

    @property
    def linkedin_url(self) -> str | None:
        """The address of the person's LinkedIn profile."""
        return text_of(self._result, "linkedin_url") or text_of(self._prospect, "linkedin_url", "linkedin")

    @property
    def first_name(self) -> str | None:
        """The person's first name."""
        return text_of(self._prospect, "first_name")

    @property
    def last_name(self) -> str | None:
        """The person's last name."""
        return text_of(self._prospect, "last_name")

    @property
    def full_name(self) -> str | None:
        """The person's name, where it is one text."""
        return text_of(self._prospect, "full_name", "name")

    @property
    def company_name(self) -> str | None:
        """The name of the person's employer."""
        return text_of(self._company, "name") or text_of(self._result, "company_name", "company")

    @property
    def company_domain(self) -> str | None:
        """The domain of the person's employer."""
        return text_of(self._company, "domain") or text_of(self._result, "company_domain", "domain")

    @property
    def input(self) -> Mapping[str, JSON]:
        """The contact that the row was made for, where the server repeats it."""
        return _mapping(self._fields, "input") or _mapping(self._fields, "contact") or _NOTHING

    @property
    def error(self) -> str | None:
        """The server's own message on a failure."""
        return text_of(self._fields, "error")

    @property
    def credits_charged(self) -> float | None:
        """Credits charged, where the server says so."""
        return _number(self._fields.get("credits_charged", self._result.get("credits_charged")))

    @property
    def is_final(self) -> bool:
        """Whether the server is done with this contact."""
        # Without a status of its own, a row is as final as its workflow.
        return not self.status or is_final(self.status)

    @property
    def failed(self) -> bool:
        """Whether the enrichment of this contact failed."""
        return is_failed(self.status)

    @property
    def has_findings(self) -> bool:
        """Whether there is an e-mail address or a phone number."""
        return bool(self.email or self.phones)

    @property
    def _company(self) -> Mapping[str, JSON]:
        company = self._result.get("company", self._fields.get("company"))
        return cast("Mapping[str, JSON]", company) if isinstance(company, dict) else _NOTHING

    @property
    def _email_name(self) -> str:
        # Beside `primary_email`, a bare `email` can only echo the address that was sent.
        return "primary_email" if "primary_email" in self._result else "email"


def _raw(row: Row) -> Mapping[str, Any]:
    return row.raw


def _mapping(holder: Mapping[str, JSON], name: str) -> Mapping[str, JSON] | None:
    value = holder.get(name)
    return value if isinstance(value, dict) and value else None


def text_of(holder: Mapping[str, JSON], *names: str) -> str | None:
    """Return the first of these fields that holds a text, or a number that stands for one."""
    for name in names:
        value = holder.get(name)
        if type(value) is str:  # nearly always
            if value:
                return value
        elif isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def _number(value: JSON) -> float | None:
    # bool is a subclass of int: a credit of True would count as 1.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < math.inf else None


def _phones(result: Mapping[str, JSON]) -> tuple[str, ...]:
    for name in ("phones", "personal_phone_numbers", "phone_numbers", "phone"):
        value = result.get(name)
        if value:
            numbers = [_phone(item) for item in (value if isinstance(value, list) else [value])]
            if any(numbers):  # else another name may have them
                return tuple(number for number in numbers if number)
    return ()


def _phone(item: JSON) -> str | None:
    if isinstance(item, dict):
        return text_of(item, "number", "phone", "phone_number", "value")
    return item if isinstance(item, str) and item else None
