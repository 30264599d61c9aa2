"""The client in a FastAPI application: opened with it, injected, its errors answered, its health shown.

::

    app = FastAPI(lifespan=cleanlist_lifespan())
    install_error_handlers(app)
    app.include_router(health_router())


    @app.post("/enrich", responses=problem_responses())
    async def enrich(contact: Contact, client: CleanlistDep) -> str | None:
        return (await client.enrich_one(contact)).email

Needs ``pip install 'cleanlist-async[fastapi]'``.
"""

from __future__ import annotations

try:
    from cleanlist_async.integrations.fastapi.disconnects import unless_disconnected
    from cleanlist_async.integrations.fastapi.health import Health, health_of, health_router
    from cleanlist_async.integrations.fastapi.lifespan import (
        CleanlistDep,
        ClientLifespan,
        Lifespan,
        OpenClient,
        OtherLifespan,
        cleanlist_client,
        cleanlist_lifespan,
        combine_lifespans,
    )
    from cleanlist_async.integrations.fastapi.problems import (
        FieldProblem,
        Problem,
        install_error_handlers,
        problem_of,
        problem_responses,
    )
    from cleanlist_async.integrations.fastapi.webhooks import webhook_router
except ModuleNotFoundError as missing:
    # A package that is missing inside FastAPI is another problem.
    if (missing.name or "").partition(".")[0] not in {"fastapi", "starlette"}:
        raise
    raise ModuleNotFoundError(
        "this needs one more package: pip install 'cleanlist-async[fastapi]'", name=missing.name
    ) from missing

__all__ = [
    "CleanlistDep",
    "ClientLifespan",
    "FieldProblem",
    "Health",
    "Lifespan",
    "OpenClient",
    "OtherLifespan",
    "Problem",
    "cleanlist_client",
    "cleanlist_lifespan",
    "combine_lifespans",
    "health_of",
    "health_router",
    "install_error_handlers",
    "problem_of",
    "problem_responses",
    "unless_disconnected",
    "webhook_router",
]
