"""Problems in the OpenAPI document of an application."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from cleanlist_async.integrations.asgi.problems import (
    ANSWERS,
    MEDIA_TYPE,
    REQUEST_ID_HEADER,
    RETRY_AFTER,
    FieldProblem,
    Problem,
)

_REF: Final = "#/components/schemas/{model}"
_CONTENT: Final = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=Problem.__name__)}}}
_REQUEST_ID: Final = {"description": "Cleanlist's id of the request", "schema": {"type": "string"}}
_WAIT: Final = {"description": "Seconds to wait; only where a retry is safe", "schema": {"type": "integer"}}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI's description of these problems, or of all, for ``responses=`` of a route or router.

    They refer to the component `Problem`, which `add_problems` adds to the document.
    """
    wanted = statuses or sorted({answer.status.value for answer in ANSWERS.values()})
    return {status: _response(status) for status in wanted}


def add_problems(document: dict[str, Any]) -> None:
    """Add the component `Problem` to an OpenAPI document."""
    schema = Problem.model_json_schema(ref_template=_REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas[FieldProblem.__name__] = schema.pop("$defs")[FieldProblem.__name__]
    schemas[Problem.__name__] = schema


def _response(status: int) -> dict[str, Any]:
    details = (answer.detail for answer in ANSWERS.values() if answer.status == status)
    headers = {REQUEST_ID_HEADER: _REQUEST_ID}
    if status in RETRY_AFTER:
        headers["Retry-After"] = _WAIT
    return {
        "description": " ".join(dict.fromkeys(details)) or HTTPStatus(status).phrase,
        "headers": headers,
        "content": _CONTENT,
    }
