"""What the server's own OpenAPI document says, compared with tests/surface.

``/openapi.json`` is served without a key and kept in sync with production, says
docs.cleanlist.ai/api-reference/openapi.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from re import sub
from typing import Any, Final, TypeAlias

import anyio
import httpx

from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.facts import ENRICHMENT_TYPES, MODERN_PREFIXES, PUBLIC_PREFIX
from cleanlist_async.types import JSON
from tests.live.session import UnsettledError
from tests.live.shapes import member, parsed
from tests.surface.specification import MODELS, SPECIFIED

MAX_BYTES: Final = 8_000_000
"""Size of a document that is still read; the published specification of v2 has 0.2 MB."""
TIMEOUT_S: Final = 30.0
_PATH: Final = "/openapi.json"
_DEEPEST: Final = 8

Surface: TypeAlias = dict[str, set[str]]
"""Of each operation its parameters, fields and words, such as ``response.leads[].email_status = risky``."""

LEGACY: Final[Mapping[str, Sequence[str]]] = {
    f"GET {PUBLIC_PREFIX}/auth/validate-key": [
        f"response.{n}" for n in ("valid", "user_id", "organization_id")
    ],
    f"GET {PUBLIC_PREFIX}/credits/balance": ["response.credits", "response.organization_id"],
    f"POST {PUBLIC_PREFIX}/enrich/bulk": [
        *(f"request.{name}" for name in ("contacts", "enrichment_type", "webhook_url")),
        *(f"request.contacts[].{name}" for name in API_FIELDS),
        *(f"request.enrichment_type = {name}" for name in ENRICHMENT_TYPES),
        *(f"response.{name}" for name in ("workflow_id", "status", "message", "task_ids", "total_contacts")),
    ],
    f"GET {PUBLIC_PREFIX}/enrich/status": ["parameter workflow_id", "parameter task_id"],
    f"GET {PUBLIC_PREFIX}/webhooks/deliveries": ["parameter workflow_id"],
}
"""The operations of the Public API, as its pages describe them (docs.cleanlist.ai/api-reference)."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What is new on the server and what is gone, or the `problem`; `others` counts other operations."""

    new: list[str] = field(default_factory=list[str])
    gone: list[str] = field(default_factory=list[str])
    others: int = 0
    problem: str = ""

    def as_json(self) -> dict[str, JSON]:
        """Return it for the file of answers."""
        return {
            "new": [*self.new],
            "gone": [*self.gone],
            "other_operations": self.others,
            "problem": self.problem or None,
        }

    def lines(self) -> Iterator[str]:
        """Yield what to print."""
        if self.problem:
            yield f"The OpenAPI document could not be compared: {self.problem}."
            return
        yield from (f"new: {line}" for line in self.new)
        yield from (f"gone: {line}" for line in self.gone)
        changes = f"{len(self.new)} new, {len(self.gone)} gone" if self.new or self.gone else "no change"
        yield f"The server's OpenAPI document: {changes}; {self.others} operations under other prefixes."


async def look(base_url: str) -> Drift:
    """Fetch the document of *base_url*, once and without a key, and compare it."""
    try:
        return compare(await _fetch(f"{base_url.rstrip('/')}{_PATH}"))
    except UnsettledError as error:
        return Drift(problem=str(error))


async def _fetch(url: str) -> JSON:
    body = bytearray()
    try:
        with anyio.fail_after(TIMEOUT_S):
            async with (
                httpx.AsyncClient(timeout=TIMEOUT_S, headers={"accept-encoding": "identity"}) as client,
                client.stream("GET", url) as answer,
            ):
                if answer.status_code != 200:
                    raise UnsettledError(f"{_PATH} is not served (status {answer.status_code})")
                async for part in answer.aiter_raw():
                    body += part
                    if len(body) > MAX_BYTES:
                        raise UnsettledError(f"{_PATH} has more than {MAX_BYTES:,} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise UnsettledError(f"{_PATH} cannot be fetched ({type(error).__name__})") from None
    return parsed(bytes(body))


def compare(document: JSON) -> Drift:
    """Compare *document* with what is specified. Raises UnsettledError if it is no OpenAPI document."""
    served = _served(document)
    if not served:
        raise UnsettledError("the document names no operation")
    known, closed = _known()
    modern, public = MODERN_PREFIXES["v2"], PUBLIC_PREFIX
    copies = {name.replace(f" {modern}/", f" {public}/") for name in known} - LEGACY.keys()
    ours = {name for name in served if f" {modern}/" in name or f" {public}/" in name} - copies
    shared = sorted(ours & known.keys())
    new = sorted(ours - known.keys()) + [f"{n}: {x}" for n in shared for x in sorted(served[n] - known[n])]
    gone = sorted(known.keys() - ours) + [f"{n}: {x}" for n in shared for x in sorted(closed[n] - served[n])]
    return Drift(new, gone, len(served.keys() - ours - copies))


def _known() -> tuple[Surface, Surface]:
    """Return what is specified, and what of it a document must name: all but the words of open lists."""
    known, closed = Surface(), Surface()
    for operation in SPECIFIED.values():
        name = _name(operation["method"], operation["path"])
        parameters = list(_parameters(operation["params"]))
        fields = [*_fields_of_model(operation, "request"), *_fields_of_model(operation, "response")]
        known[name] = {*parameters, *(fact for fact, _ in fields)}
        closed[name] = {*parameters, *(fact for fact, is_closed in fields if is_closed)}
    for name, facts in LEGACY.items():
        known[name], closed[name] = set(facts), set(facts)
    return known, closed


def _name(method: str, path: str) -> str:
    return f"{method.upper()} {sub(r'{[^}]*}', '{}', path)}"


def _parameters(parameters: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for parameter in parameters:
        if parameter["in"] != "path":
            yield f"parameter {parameter['name']}"
            yield from (f"parameter {parameter['name']} = {word}" for word in parameter.get("enum", ()))


def _fields_of_model(operation: Mapping[str, Any], side: str) -> Iterator[tuple[str, bool]]:
    if model := operation[f"{side}_model"]:
        yield from _specified_fields(model, side)


def _specified_fields(model: str, at: str) -> Iterator[tuple[str, bool]]:
    """Yield each field and word of a specified model, and whether a document must name it."""
    for part in MODELS[model].get("one_of", ()):
        yield from _specified_fields(part, at)
    for name, rule in MODELS[model]["fields"].items():
        here, kind = f"{at}.{name}", rule["type"]
        yield here, True
        if isinstance(kind, dict) and "array_of" in kind:
            here, kind = f"{here}[]", kind["array_of"]
        if isinstance(kind, dict) and kind.get("ref") in MODELS:
            yield from _specified_fields(kind["ref"], here)
        words = rule.get("enum", [rule["const"]] if "const" in rule else [])
        yield from ((f"{here} = {word}", "from_oas" not in rule) for word in words)
        yield from ((f"{here} = {word}", False) for word in rule.get("values", {}).get("documented", ()))


def _served(document: JSON) -> Surface:
    found: Surface = defaultdict(set)
    for path, item in _members(member(document, "paths")):
        for method, operation in _members(item):
            if method in {"get", "post", "put", "patch", "delete"}:
                found[_name(method, path)] |= set(_Document(document).facts(operation))
    return dict(found)


@dataclass(frozen=True, slots=True)
class _Document:
    """Reads operations of an OpenAPI document, whatever in it is odd."""

    whole: JSON

    def facts(self, operation: JSON) -> Iterator[str]:
        """Yield the parameters, fields and words of an operation."""
        for item in _items(member(operation, "parameters")):
            parameter = self._resolved(item)
            if member(parameter, "in") == "query":
                at = f"parameter {member(parameter, 'name')}"
                yield at
                yield from (
                    fact for fact in self._fields(member(parameter, "schema"), at, 0) if " = " in fact
                )
        yield from self._body(member(operation, "requestBody"), "request")
        for status, answer in _members(member(operation, "responses")):
            if status.startswith("2"):
                yield from self._body(answer, "response")

    def _body(self, body: JSON, side: str) -> Iterator[str]:
        schema = member(self._resolved(body), "content", "application/json", "schema")
        yield from self._fields(schema, side, 0)

    def _fields(self, schema: JSON, at: str, depth: int) -> Iterator[str]:
        schema = self._resolved(schema)
        if depth > _DEEPEST or not isinstance(schema, dict):
            return
        words = [schema["const"]] if "const" in schema else _items(schema.get("enum"))
        yield from (f"{at} = {word}" for word in words if isinstance(word, str))
        for combined in ("allOf", "anyOf", "oneOf"):
            for part in _items(schema.get(combined)):
                yield from self._fields(part, at, depth + 1)
        if "items" in schema:
            yield from self._fields(schema["items"], f"{at}[]", depth + 1)
        for name, inner in _members(schema.get("properties")):
            yield f"{at}.{name}"
            yield from self._fields(inner, f"{at}.{name}", depth + 1)

    def _resolved(self, value: JSON) -> JSON:
        """Follow references within the document; None for one that leads nowhere."""
        for _ in range(_DEEPEST):
            reference = member(value, "$ref")
            if not isinstance(reference, str):
                return value
            value = member(self.whole, *reference.removeprefix("#/").split("/"))
        return None


def _members(value: JSON) -> list[tuple[str, JSON]]:
    return list(value.items()) if isinstance(value, dict) else []


def _items(value: JSON) -> list[JSON]:
    return value if isinstance(value, list) else []
