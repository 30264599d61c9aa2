"""Reads requests into models, and finds their page; what does not fit is refused in FastAPI's words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from cleanlist_async.sandbox.refusals import RefusedError

from .refusals import refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

FieldError = dict[str, object]


class RequestModel(BaseModel):
    """A request; unknown keys are refused, as everywhere on the modern surface."""

    model_config = ConfigDict(extra="forbid")


M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_OFFSET: Final = re.compile(r"[0-9]{1,9}")
"""A cursor: an offset, as in the documented examples, so pages shift when a list is edited."""


async def read_body(request: Request, model: type[M]) -> M:
    """Return the JSON body. Raises RefusedError 422 with every field error there is."""
    body = await request.body()
    if not body:
        raise RefusedError(422, [_item("missing", ["body"], "Field required")])
    try:
        document: object = json.loads(body)
    except ValueError as problem:
        # Bytes that are not UTF-8 are a ValueError too, but have no position.
        at = getattr(problem, "pos", 0)
        raise RefusedError(422, [_item("json_invalid", ["body", at], "JSON decode error")]) from None
    return _validated(document, model, "body")


def read_query(request: Request, model: type[M]) -> M:
    """Return the query; a list field takes every value of a repeated key, any other the last one.

    Keys that the model does not have are ignored, as FastAPI does. Raises RefusedError 422 with every
    field error there is.
    """
    given = request.query_params
    document: dict[str, object] = {
        name: given.getlist(name) if _is_list(field.annotation) else given[name]
        for name, field in model.model_fields.items()
        if name in given
    }
    return _validated(document, model, "query")


def page(items: Sequence[T], cursor: str | None, limit: int) -> tuple[Sequence[T], str | None]:
    """Return the page at ``cursor`` and the cursor of the next one; None after the last.

    Raises RefusedError 400 invalid_cursor for a cursor that is not an offset.
    """
    if cursor is not None and not _OFFSET.fullmatch(cursor):
        raise refused("invalid_cursor")
    start = int(cursor or 0)
    end = start + limit
    return items[start:end], str(end) if end < len(items) else None


def _validated(document: object, model: type[M], where: str) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_context=False, include_input=False)
        items = [_item(error["type"], [where, *error["loc"]], error["msg"]) for error in errors]
        raise RefusedError(422, items) from None


def _item(kind: str, loc: Iterable[str | int], msg: str) -> FieldError:
    return {"type": kind, "loc": list(loc), "msg": msg}


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) is list or any(get_origin(part) is list for part in get_args(annotation))
