"""The client in a FastAPI application: opened with it, injected, its errors answered, its health shown.

::

    app = FastAPI(lifespan=cleanlist_lifespan())
    install_error_handlers(app)
    app.include_router(health_router())


    @app.post("/enrich", responses=problem_responses())
    async def enrich(contact: Contact, client: CleanlistDep) -> str | None:
        return (await client.enrich_one(contact)).email

Needs the extra ``fastapi``.
"""

# Without `from __future__ import annotations`: FastAPI could not resolve the name of a client in a string.

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from http.client import responses as phrases
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from cleanlist_async.checks import check_flag, check_instance, check_route, check_text, optional, wrong
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.integrations import asgi, explain_missing
from cleanlist_async.integrations.asgi import (
    ClientLifespan,
    FieldProblem,
    Health,
    Lifespan,
    OpenClient,
    OtherLifespan,
    Problem,
    Readiness,
    cleanlist_lifespan,
    combine_lifespans,
    health_of,
    problem_of,
    problem_responses,
    readiness_of,
)
from cleanlist_async.integrations.asgi.lifespan import DEFAULT_NAME
from cleanlist_async.integrations.asgi.problems import HUNG_UP, MEDIA_TYPE
from cleanlist_async.webhooks.receiver import WebhookReceiver

try:
    from fastapi import APIRouter, Depends, FastAPI, Request, Response
    from fastapi.exception_handlers import http_exception_handler
    from fastapi.exceptions import RequestValidationError as InvalidRequest
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, HTTPConnection
except ModuleNotFoundError as missing:
    explain_missing(missing, "this needs", "fastapi", "fastapi", "starlette")
    raise

__all__ = [
    "CleanlistDep",
    "ClientLifespan",
    "FieldProblem",
    "Health",
    "Lifespan",
    "OpenClient",
    "OtherLifespan",
    "Problem",
    "Readiness",
    "cleanlist_client",
    "cleanlist_lifespan",
    "combine_lifespans",
    "health_of",
    "health_router",
    "install_error_handlers",
    "problem_of",
    "problem_responses",
    "readiness_of",
    "unless_disconnected",
    "webhook_router",
]

T = TypeVar("T")

_INVALID: Final = "422"
_REPLACED: Final = "HTTPValidationError", "ValidationError"
"""Components of FastAPI for requests that it refuses, which are not answered so any more."""


def cleanlist_client(name: str = DEFAULT_NAME) -> Callable[[HTTPConnection], Awaitable[AsyncCleanlist]]:
    """Return the dependency that gives the client called *name*: the same one each time, to be overridden.

    The dependency raises ConfigurationError where no such client is open.
    """
    check_text("name", name)
    return _dependency(name)


# Cached, so that app.dependency_overrides finds the same function for the same name.
@cache
def _dependency(name: str) -> Callable[[HTTPConnection], Awaitable[AsyncCleanlist]]:
    async def client_of(connection: HTTPConnection) -> AsyncCleanlist:
        client = getattr(connection.state, name, None)
        if isinstance(client, AsyncCleanlist):
            return client
        raise ConfigurationError(
            f"No client named {name!r} is open in this application.",
            fix="Pass lifespan=cleanlist_lifespan() to FastAPI; in a test, run the lifespan as well: "
            "`with TestClient(app)`.",
        )

    return client_of


CleanlistDep: TypeAlias = Annotated[AsyncCleanlist, Depends(cleanlist_client())]
"""The client of the application, as a parameter of an endpoint. Raises ConfigurationError without one."""


async def unless_disconnected(request: Request, work: Awaitable[T]) -> T:
    """Await *work*, which is cancelled when the caller of *request* hangs up.

    See :func:`cleanlist_async.integrations.asgi.unless_disconnected`. The body of the request must have been
    read, as in any endpoint that declares one. Raises ClientDisconnect once the caller has hung up.
    """
    check_instance("request", request, Request)
    try:
        return await asgi.unless_disconnected(request.receive, work)
    except asgi.CallerHungUpError:
        raise ClientDisconnect from None


def health_router(
    path: str = "/health",
    *,
    ready: str | None = "/ready",
    name: str = DEFAULT_NAME,
    dependencies: Sequence[Any] = (),
) -> APIRouter:
    """Return a router with two probes for the client called *name*, ``GET path`` and ``GET ready``.

    *path* is for liveness. It answers 200 even when degraded: a client that waits is working as it should,
    and a restart would only lose the record of the requests that it has sent. *ready* (None: no such probe)
    is for the load balancer, and answers 503 while the client cannot buy: see `readiness_of`. *dependencies*
    guard them, as those of any route.
    """
    check_route("path", path)
    optional(check_route, "ready", ready)
    check_text("name", name)
    is_list = isinstance(dependencies, list | tuple)
    if not (is_list and all(hasattr(one, "dependency") for one in dependencies)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise wrong("dependencies", "a sequence of Depends(...)", dependencies)
    router = APIRouter(tags=["health"], dependencies=dependencies)

    @router.get(path, summary="Whether the client works")
    async def health(client: Annotated[AsyncCleanlist, Depends(cleanlist_client(name))]) -> Health:
        return health_of(client)

    if ready is not None:
        responses: dict[int | str, dict[str, Any]] = {503: {"model": Readiness, "description": "Not now"}}

        @router.get(ready, summary="Whether enrichments can be bought", responses=responses)
        async def readiness(
            client: Annotated[AsyncCleanlist, Depends(cleanlist_client(name))], response: Response
        ) -> Readiness:
            found = await readiness_of(client)
            response.status_code = 200 if found.ready else 503
            return found

    return router


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


async def _answer(_request: Request, error: Exception) -> Response:
    # For the type checker: Starlette types every handler for Exception.
    return _sent(asgi.problem_response(cast("CleanlistError", error)))


async def _answer_invalid_request(_request: Request, error: Exception) -> Response:
    return _sent(asgi.invalid_request_response(cast("InvalidRequest", error).errors()))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    status, detail = refused.status_code, refused.detail
    # FastAPI's types promise a text, but it takes any JSON.
    if status < 400 or not isinstance(detail, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        return await http_exception_handler(request, refused)
    title = phrases.get(status, f"HTTP {status}")  # a status may be the application's own
    code = re.sub(r"\W+", "_", title.lower())
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    return Response(json.dumps(problem), status, refused.headers, MEDIA_TYPE)


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    return _sent(HUNG_UP)


def _sent(response: asgi.Response) -> Response:
    return Response(response.body, response.status, response.headers)


def _describe(app: FastAPI, *, invalid_requests: bool) -> None:
    """Add to the OpenAPI document what FastAPI does not know (its guide "Extending OpenAPI" does it so)."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        is_made = app.openapi_schema is None
        document = make()
        if is_made:  # FastAPI keeps what it has made
            asgi.add_problems(document)
            if invalid_requests:
                _replace_invalid(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _replace_invalid(document: dict[str, Any]) -> None:
    described = asgi.problem_responses(int(_INVALID))[int(_INVALID)]
    for path in document.get("paths", {}).values():
        for operation in path.values():
            responses = operation.get("responses", {})
            if _REPLACED[0] in str(responses.get(_INVALID)):
                responses[_INVALID] = described
    for name in _REPLACED:
        document["components"]["schemas"].pop(name, None)


def webhook_router(
    receiver: WebhookReceiver, *, prefix: str | None = None, include_in_schema: bool = False
) -> APIRouter:
    """Return a router that passes posts to ``prefix/{token}`` to *receiver*, and returns its answers.

    The prefix is by default the path of the receiver's public address; pass another one if a proxy rewrites
    it. The body is read in chunks, up to the receiver's limit. The route is for Cleanlist alone,
    so it is not in the documentation of your API by default.
    """
    check_instance("receiver", receiver, WebhookReceiver)
    if prefix is not None and (not isinstance(prefix, str) or prefix):  # pyright: ignore[reportUnnecessaryIsInstance]
        check_route("prefix", prefix)
    check_flag("include_in_schema", include_in_schema)
    router = APIRouter(prefix=urlsplit(receiver.public_url).path if prefix is None else prefix)

    @router.post("/{token}", status_code=204, include_in_schema=include_in_schema, tags=["webhooks"])
    async def receive(token: str, request: Request) -> Response:
        """Receive an event of Cleanlist."""
        # Streamed: request.body() would read any size before the receiver could refuse it.
        content_type = request.headers.get("Content-Type")
        return _sent(await asgi.receive_webhook(receiver, token, content_type, request.stream()))

    return router
