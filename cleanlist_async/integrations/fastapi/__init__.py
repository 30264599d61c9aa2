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

from __future__ import annotations

from cleanlist_async.integrations import explain_missing
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

try:
    from cleanlist_async.integrations.fastapi.dependency import CleanlistDep, cleanlist_client
    from cleanlist_async.integrations.fastapi.disconnects import unless_disconnected
    from cleanlist_async.integrations.fastapi.health import health_router
    from cleanlist_async.integrations.fastapi.problems import install_error_handlers
    from cleanlist_async.integrations.fastapi.webhooks import webhook_router
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
