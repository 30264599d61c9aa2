"""Errors of this package, and requests that FastAPI refuses, as responses of a FastAPI application."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

import fastapi
from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError as InvalidRequest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from cleanlist_async.checks import check_flag, check_instance
from cleanlist_async.errors import CleanlistError
from cleanlist_async.integrations import asgi
from cleanlist_async.integrations.asgi.openapi import add_problems
from cleanlist_async.integrations.asgi.problems import HUNG_UP, MEDIA_TYPE

_INVALID: Final = "422"
_REPLACED: Final = "HTTPValidationError", "ValidationError"
"""Components of FastAPI for requests that it refuses, which are not answered so any more."""


def install_error_handlers(app: FastAPI, *, invalid_requests: bool = True, http_errors: bool = False) -> None:
    """Answer every CleanlistError that leaves an endpoint of *app* with its `Problem`.

    See :func:`cleanlist_async.integrations.asgi.problem_response` for what is answered and logged. The
    component `Problem` is added to the OpenAPI document.

    With *invalid_requests*, requests that FastAPI itself refuses are answered and documented in the same
    form, and without the values that FastAPI would send back.

    With *http_errors*, every HTTPException is answered as application/problem+json too: yours, and those of
    FastAPI for an unknown path (404), a wrong method (405) and a body that cannot be decoded (400). `detail`
    and the headers stay as they are, and `code` is the phrase of the status, such as ``not_found``.
    `retryable` and `billed` are left out, since only your application knows them. An HTTPException whose
    detail is not a text is answered by FastAPI as ever.
    """
    check_instance("app", app, FastAPI)
    check_flag("invalid_requests", invalid_requests)
    check_flag("http_errors", http_errors)
    app.add_exception_handler(CleanlistError, _answer)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    if invalid_requests:
        app.add_exception_handler(InvalidRequest, _answer_invalid_request)
    if http_errors:
        app.add_exception_handler(HTTPException, _answer_http_error)
    _describe(app, invalid_requests=invalid_requests)


async def _answer(_request: fastapi.Request, error: Exception) -> fastapi.Response:
    # For the type checker: Starlette types every handler for Exception.
    if not isinstance(error, CleanlistError):
        raise error
    return _sent(asgi.problem_response(error))


async def _answer_invalid_request(_request: fastapi.Request, error: Exception) -> fastapi.Response:
    found = error.errors() if isinstance(error, InvalidRequest) else ()
    return _sent(asgi.invalid_request_response(found))


async def _answer_http_error(request: fastapi.Request, error: Exception) -> fastapi.Response:
    if not isinstance(error, HTTPException):
        raise error
    status, detail = error.status_code, error.detail
    # FastAPI's types promise a text, but it takes any JSON.
    if status < HTTPStatus.BAD_REQUEST or not isinstance(detail, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        return await http_exception_handler(request, error)
    title = _phrase(status)
    code = re.sub(r"\W+", "_", title.lower())
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    return fastapi.Response(json.dumps(problem), status, error.headers, MEDIA_TYPE)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # a status of the application's own
        return f"HTTP {status}"


async def _answer_nobody(_request: fastapi.Request, _error: Exception) -> fastapi.Response:
    return _sent(HUNG_UP)


def _sent(response: asgi.Response) -> fastapi.Response:
    return fastapi.Response(response.body, response.status, response.headers)


def _describe(app: FastAPI, *, invalid_requests: bool) -> None:
    """Add to the OpenAPI document what FastAPI does not know (its guide "Extending OpenAPI" does it so)."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        is_made = app.openapi_schema is None
        document = make()
        if is_made:  # FastAPI keeps what it has made
            add_problems(document)
            if invalid_requests:
                _replace_invalid(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _replace_invalid(document: dict[str, Any]) -> None:
    described = asgi.problem_responses(int(_INVALID))[int(_INVALID)]
    for responses in _responses(document):
        if _REPLACED[0] in str(responses.get(_INVALID)):
            responses[_INVALID] = described
    for name in _REPLACED:
        document["components"]["schemas"].pop(name, None)


def _responses(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document.get("paths", {}).values():
        for operation in path.values():
            yield operation.get("responses", {})
