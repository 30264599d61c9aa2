"""Bodies and queries of the modern operations, validated before anything is sent.

Limits and words are those of the published specification (docs.cleanlist.ai/openapi-public-v2.json). The
server refuses unknown keys, and fields that were not given are not sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from inspect import isclass
from typing import Annotated, Final, Literal, Self, TypeAlias, cast, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from cleanlist_async import facts
from cleanlist_async.checks import is_encodable
from cleanlist_async.contacts.checks import is_frame
from cleanlist_async.errors import FieldError, RequestValidationError
from cleanlist_async.facts import PersonType

ListScope: TypeAlias = Literal["partial", "full", "phone-only"]
PersonDataPoint: TypeAlias = Literal["Email", "Phone", "LinkedIn"]
CompanyDataPoint: TypeAlias = Literal["Industry", "Employees", "Revenue", "Funding", "TechStack", "Domain"]
DataPoint: TypeAlias = PersonDataPoint | CompanyDataPoint
AgentType: TypeAlias = Literal[
    "custom_ai", "cold_intro_email", "title_normalizer", "company_intel", "pain_point_hypothesis"
]
LeadScope: TypeAlias = Literal["subset", "all"]
UsageGrouping: TypeAlias = Literal["tool", "key", "day", "error"]

PERSON_DATA_POINTS: Final = frozenset[str](get_args(PersonDataPoint))
COMPANY_DATA_POINTS: Final = frozenset[str](get_args(CompanyDataPoint))
NO_QUOTE_YET: Final = "placeholder: the fields are checked before a price is requested"
"""The price request counts against the rate limit, and would be in vain for fields that are invalid."""


def _listed(value: object) -> object:
    """Convert any iterable to a list, except a single text or mapping."""
    return list(cast("Iterable[object]", value)) if _is_plural(value) else value


def _is_plural(value: object) -> bool:
    # These are iterable too, but their letters, keys or columns are not what was meant.
    is_one = isinstance(value, str | bytes | Mapping) or isclass(value) or is_frame(value)
    return isinstance(value, Iterable) and not is_one


def _sendable(value: str) -> str:
    if not is_encodable(value):
        raise ValueError("half a surrogate pair cannot be sent")
    return value


def _encodable(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    json.dumps(value, ensure_ascii=False).encode()  # raises ValueError for half of a surrogate pair
    return value


def _underscored(value: object) -> object:
    return "phone_only" if value == "phone-only" else value


def _hyphenated(value: object) -> object:
    return "phone-only" if value == "phone_only" else value


Plain: TypeAlias = Annotated[str, AfterValidator(_sendable)]
Text: TypeAlias = Annotated[Plain, Field(min_length=1)]
Texts: TypeAlias = Annotated[list[Text], BeforeValidator(_listed), Field(min_length=1)]
Name: TypeAlias = Annotated[Plain, Field(min_length=1, max_length=facts.MAX_LIST_NAME_CHARS)]
Column: TypeAlias = Annotated[Plain, Field(min_length=1, max_length=facts.MAX_COLUMN_NAME_CHARS)]
IdempotencyKey: TypeAlias = Annotated[Plain, Field(min_length=1, max_length=facts.MAX_IDEMPOTENCY_KEY_CHARS)]
JsonObject: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_encodable)]
PersonTypeWord: TypeAlias = Annotated[PersonType, BeforeValidator(_underscored)]
"""``phone_only`` here, ``phone-only`` as the scope of a list: the other spelling is corrected."""
ListScopeWord: TypeAlias = Annotated[ListScope, BeforeValidator(_hyphenated)]


class RequestModel(BaseModel):
    """Base of the request models: strict, and its errors do not quote the input."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)

    @classmethod
    def checked(cls, **fields: object) -> Self:
        """Build from keyword arguments; None means that an argument was not given.

        Raises RequestValidationError, whose ``field_errors`` name each field.
        """
        return cls.given({name: value for name, value in fields.items() if value is not None})

    @classmethod
    def given(cls, fields: Mapping[str, object]) -> Self:
        """Build from *fields*, where None means null. Raises RequestValidationError."""
        try:
            return cls.model_validate(fields)
        except ValidationError as problem:
            refusal = _refusal(problem, "query" if issubclass(cls, Query) else "body")
        raise refusal  # outside the handler: the ValidationError holds the input

    def with_quote(self, quote_id: str) -> Self:
        """Return the same request, to be paid by this quote. Raises RequestValidationError."""
        return self.given({**self.model_dump(exclude_unset=True), "quote_id": quote_id})

    def body(self) -> bytes:
        """Return the JSON body."""
        # Only what was set: null can be a command, as in `UpdateList`.
        return self.model_dump_json(exclude_unset=True).encode()


class Query(RequestModel):
    """A query string."""

    def params(self) -> dict[str, str | list[str]]:
        """Return the parameters; a list stands for a key that is repeated."""
        # Fields that were not given are left out, so that the server's defaults apply.
        given = self.model_dump(exclude_unset=True)
        return {name: value if isinstance(value, list) else str(value) for name, value in given.items()}


def _refusal(problem: ValidationError, where: str) -> RequestValidationError:
    found = problem.errors(include_url=False, include_input=False, include_context=False)
    wrong = tuple(FieldError((where, *error["loc"]), error["msg"], error["type"]) for error in found)
    first = wrong[0]
    field = ".".join(str(part) for part in first.loc[1:]) or "request"
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return refusal(field, first.msg.removeprefix("Value error, ") + more, *wrong)


def refusal(field: str, message: str, *wrong: FieldError) -> RequestValidationError:
    """Return the error for a request that is refused here, before it is sent."""
    error = RequestValidationError(f"{field}: {message}.", code="validation_error")
    error.field_errors = wrong or (FieldError(("body", field), message),)
    return error


# -- lead lists --------------------------------------------------------------------------------------


class ListLists(Query):
    """A page of lists."""

    folder_id: Text | None = None
    limit: int | None = Field(None, ge=1, le=facts.MAX_LISTS_PER_PAGE)
    cursor: Text | None = None


class ListLeads(Query):
    """A page of leads."""

    limit: int | None = Field(None, ge=1, le=facts.MAX_LEADS_PER_PAGE)
    cursor: Text | None = None


class CreateList(RequestModel):
    """A new list."""

    name: Name
    description: Plain | None = None
    folder_id: Text | None = None


class UpdateList(RequestModel):
    """Changes to a list: null is a command here (clear, unfile), and a name cannot be cleared."""

    name: Name = ""  # never sent: unset fields are left out
    description: Plain | None = None
    folder_id: Text | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give at least one of name, description and folder_id")
        return self


class AddLeads(RequestModel):
    """Leads to add: by their ids, or as a cohort."""

    lead_ids: Annotated[Texts, Field(max_length=facts.MAX_LEADS_PER_ADD)] | None = None
    task_id: Text | None = None
    entity_ids: Annotated[Texts, Field(max_length=facts.MAX_ENTITIES_PER_ADD)] | None = None
    idempotency_key: IdempotencyKey | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.lead_ids is None) == (self.task_id is None):
            raise ValueError("give exactly one of lead_ids and task_id")
        if self.lead_ids is not None and self.entity_ids is not None:
            raise ValueError("entity_ids need task_id, and cannot be combined with lead_ids")
        return self


class RemoveLeads(RequestModel):
    """Leads to remove from a list."""

    lead_ids: Annotated[Texts, Field(max_length=facts.MAX_LEADS_PER_REMOVAL)]


class ImportCsv(RequestModel):
    """A CSV file. The server's own default is to enrich what it imports, so the flag is always sent."""

    csv_content_base64: Text
    column_mapping: Annotated[dict[facts.CsvField, Text], Field(min_length=1)]
    dispatch_enrichment: bool
    enrichment_type: PersonTypeWord | None = None
    quote_id: Text | None = None
    idempotency_key: IdempotencyKey | None = None

    @model_validator(mode="after")
    def _says_what_to_buy(self) -> Self:
        if self.dispatch_enrichment and self.enrichment_type is None:
            raise ValueError("dispatch_enrichment needs an enrichment_type")
        return self


# -- enrichment --------------------------------------------------------------------------------------


class EnrichPerson(RequestModel):
    """One person. An e-mail address alone is enough here, a phone number is only a hint."""

    lead_list_id: Text
    email: Text | None = None
    linkedin_url: Text | None = None
    phone: Text | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    company_name: Text | None = None
    domain: Text | None = None
    person_id: Text | None = None
    enrichment_type: PersonTypeWord | None = None
    quote_id: Text | None = None

    @model_validator(mode="after")
    def _is_identified(self) -> Self:
        named = self.first_name and self.last_name and (self.company_name or self.domain)
        if not (self.email or self.linkedin_url or self.person_id or named):
            raise ValueError(
                "needs email, linkedin_url, person_id, or a first_name and last_name "
                "with company_name or domain"
            )
        return self


class EnrichCompany(RequestModel):
    """One company."""

    domain: Text | None = None
    company_name: Text | None = None
    company_ticker: Text | None = None
    company_id: Text | None = None
    quote_id: Text | None = None

    @model_validator(mode="after")
    def _is_identified(self) -> Self:
        if not (self.domain or self.company_id or self.company_name or self.company_ticker):
            raise ValueError("needs domain, company_id, company_name or company_ticker")
        return self


class EnrichByTask(RequestModel):
    """A cohort, or part of it."""

    task_id: Text
    data_points: Annotated[list[DataPoint], BeforeValidator(_listed), Field(min_length=1)]
    entity_ids: Texts | None = None
    lead_list_id: Text | None = None
    quote_id: Text

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        asked = set[str](self.data_points)
        if asked & PERSON_DATA_POINTS and asked & COMPANY_DATA_POINTS:
            raise ValueError("data_points of persons and of companies cannot be combined")
        return self


class EnrichList(RequestModel):
    """A whole list."""

    list_id: Text
    scope: ListScopeWord
    quote_id: Text


# -- smart agents, export, workspace, search ---------------------------------------------------------


class ListSmartAgents(Query):
    """The latest runs."""

    list_id: Text | None = None
    limit: int | None = Field(None, ge=1, le=facts.MAX_RUNS_PER_PAGE)


class RunSmartAgent(RequestModel):
    """An agent to run over a list."""

    list_id: Text
    agent_type: AgentType
    prompt: Text | None = None
    column_name: Column
    lead_scope: LeadScope
    max_rows: int | None = Field(None, ge=1, le=facts.MAX_AGENT_ROWS)
    quote_id: Text
    overwrite: bool

    @model_validator(mode="after")
    def _has_prompt(self) -> Self:
        if self.agent_type == "custom_ai" and not self.prompt:
            raise ValueError("custom_ai needs a prompt")
        return self


class ExportCsv(RequestModel):
    """A CSV file to make."""

    list_id: Text
    columns: Texts | None = None
    include_smart_agents: bool


class ExportJson(Query):
    """A page of leads as JSON."""

    list_id: Text
    limit: int | None = Field(None, ge=1, le=facts.MAX_LEADS_PER_PAGE)
    cursor: Text | None = None
    columns: Texts | None = None


class Estimate(RequestModel):
    """A price to request. The fields needed differ by tool, and the server checks them."""

    tool: Text  # open: the API may price tools that are not known here
    list_id: Text | None = None
    filters: JsonObject | None = None
    row_count: int | None = Field(None, ge=0)
    scope: Annotated[Plain, BeforeValidator(_hyphenated)] | None = None
    agent_type: Plain | None = None
    include_phone: bool | None = None
    provider: Plain | None = None
    sub_action: Plain | None = None
    enrichment_type: Annotated[Plain, BeforeValidator(_underscored)] | None = None
    task_id: Text | None = None
    data_points: Annotated[list[Plain], BeforeValidator(_listed)] | None = None
    entity_ids: Texts | None = None
    extra: JsonObject | None = None


class UsageQuery(Query):
    """The period and grouping of a usage report."""

    days: int | None = Field(None, ge=1, le=facts.MAX_USAGE_DAYS)
    group_by: UsageGrouping | None = None


class Search(RequestModel):
    """A search: at least one filter, each a list of texts."""

    filters: Annotated[dict[str, Texts], Field(min_length=1)]
    limit: int = Field(ge=1, le=facts.MAX_SEARCH_RESULTS_PER_PAGE)
    cursor: Text | None = None
