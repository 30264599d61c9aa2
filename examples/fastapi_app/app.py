"""A backend that enriches: one person while the caller waits, or a list that a page shows live.

Usage: uvicorn --app-dir examples/fastapi_app app:app

Without a key it runs against a sandbox of its own: invented people, no credits. With CLEANLIST_API_KEY it
spends credits, at most CREDITS_PER_LIST (1000) for a list. Lists, and what was bought, are in CLEANLIST_STORE
(./purchases.db, or a PostgreSQL), and so are the rate limits: with a key, run as many workers as you like. A
list goes on when a worker ends, and nobody is bought twice. With PUBLIC_URL, the address at which Cleanlist
reaches this server, webhooks are received; several workers need one CLEANLIST_WEBHOOK_SECRET. It answers to
that host name and those of this machine; ALLOWED_HOSTS, separated by commas, adds more. Anyone who reaches it
can buy: put it behind a login.
"""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import anyio
from annotated_types import MinLen
from demo import demo_table, sandboxed_client
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from guard import Guard
from lists import Enriched, ListPage, ListProgress, Lists
from pydantic import TypeAdapter, ValidationError

from cleanlist_async import AsyncCleanlist, Contact, RateLimiter, Store, WebhookReceiver
from cleanlist_async.integrations.fastapi import (
    CleanlistDep,
    cleanlist_lifespan,
    health_router,
    install_error_handlers,
    problem_responses,
    unless_disconnected,
    webhook_router,
)

HAS_KEY = bool(os.environ.get("CLEANLIST_API_KEY"))
STORE = os.environ.get("CLEANLIST_STORE", "purchases.db")
PUBLIC_URL = os.environ.get("PUBLIC_URL")
CREDITS_PER_LIST = float(os.environ.get("CREDITS_PER_LIST", "1000"))
DESCRIPTION = "Enriches one person while the caller waits, or a list whose progress is shown live."
MAX_BODY_BYTES = 5_000_000
MAX_CONTACT_BYTES = 20_000
HOSTS = {
    *("localhost", "127.0.0.1", "::1"),
    *filter(None, [urlsplit(PUBLIC_URL or "").hostname]),
    *filter(None, os.environ.get("ALLOWED_HOSTS", "").replace(" ", "").split(",")),
}
PAGE = Path(__file__).with_name("index.html")

store = Store(STORE) if HAS_KEY else None
receiver = WebhookReceiver(f"{PUBLIC_URL}/webhooks/cleanlist", mailbox=store) if PUBLIC_URL else None


def open_client() -> AbstractAsyncContextManager[AsyncCleanlist]:
    if store is None:
        return sandboxed_client(receiver)
    return AsyncCleanlist(webhooks=receiver, store=store, limiter=shared_limits())


def shared_limits() -> RateLimiter:
    """Return the rate limits of all workers, in the store's database or in a file beside it."""
    return RateLimiter.postgres(STORE) if "://" in STORE else RateLimiter.sqlite(f"{STORE}.limits")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[Mapping[str, object]]:
    """Open the client, then what works with it; close in reverse. No task outlives this block."""
    async with cleanlist_lifespan(open_client)(app) as state, anyio.create_task_group() as tasks:
        client = state["cleanlist"]
        lists = Lists(client, cast("Store", client.store), tasks, CREDITS_PER_LIST)
        tasks.start_soon(lists.tend)
        yield {**state, "lists": lists}
        tasks.cancel_scope.cancel()
    if store is not None:
        await store.aclose()


app = FastAPI(title="Cleanlist live", version="1.0", description=DESCRIPTION, lifespan=lifespan)
app.add_middleware(Guard, hosts=HOSTS, max_bytes=MAX_BODY_BYTES, max_bytes_of={"/enrich": MAX_CONTACT_BYTES})
install_error_handlers(app)
app.include_router(health_router())
if receiver is not None:
    app.include_router(webhook_router(receiver))


async def all_lists(request: Request) -> Lists:
    return cast("Lists", request.state.lists)


ListsDep = Annotated[Lists, Depends(all_lists)]


IdempotencyKey = Annotated[
    str | None,
    Header(max_length=200, description="Any text of yours: the same request with the same text is one list"),
]


NO_LIST: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such list"}}
CONTACTS = TypeAdapter(Annotated[list[Contact], MinLen(1)])
LIST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Contact"}}
            },
            "text/csv": {"schema": {"type": "string"}, "example": "First Name,Last Name,Website"},
        },
    }
}


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    return FileResponse(PAGE)


@app.get("/demo.csv", include_in_schema=False)
async def demo() -> PlainTextResponse:
    """Return invented people, or 404 with a real key, which could buy them."""
    if HAS_KEY:
        raise HTTPException(404)
    return PlainTextResponse(demo_table(), media_type="text/csv")


@app.post("/enrich", tags=["enrichment"], responses=problem_responses())
async def enrich(contact: Contact, request: Request, client: CleanlistDep) -> Enriched:
    """Enrich one person, and wait for the result.

    Simultaneous callers share a request to Cleanlist; a caller that hangs up before it is sent buys nothing.
    """
    result = await unless_disconnected(request, client.enrich_one(contact, deadline_s=60))
    return Enriched.model_validate(result)


@app.get("/lists", tags=["lists"])
async def show_lists(lists: ListsDep) -> list[ListProgress]:
    """Return all lists, the latest first."""
    return [await lists.progress(job) for job in await lists.jobs()]


@app.post(
    "/lists", status_code=202, tags=["lists"], openapi_extra=LIST_BODY, responses=problem_responses(402, 422)
)
async def start_list(
    request: Request, lists: ListsDep, response: Response, idempotency_key: IdempotencyKey = None
) -> ListProgress:
    """Start to enrich a list, and return at once; `Location` is the address of its progress."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in {"application/json", "text/csv"}:
        raise HTTPException(415, "A list must be application/json or text/csv.")
    body = await request.body()
    if kind == "text/csv":
        job = await lists.start_csv(body, idempotency_key)
    else:
        try:
            job = await lists.start(CONTACTS.validate_json(body), body, idempotency_key)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None
    response.headers["Location"] = f"/lists/{job.name}"
    return await lists.progress(job)


@app.get("/lists/{list_id}", tags=["lists"], responses=NO_LIST)
async def progress(list_id: str, lists: ListsDep) -> ListProgress:
    """Return where a list stands."""
    return await lists.progress(await lists.find(list_id))


@app.get("/lists/{list_id}/results", tags=["lists"], responses=NO_LIST)
async def results(list_id: str, lists: ListsDep, after: Annotated[int, Query(ge=-1)] = -1) -> ListPage:
    """Return the results that there are among the 500 contacts after an index."""
    return await lists.page(await lists.find(list_id), after)


@app.get("/lists/{list_id}/results.csv", tags=["lists"], responses=NO_LIST, response_class=StreamingResponse)
async def table(list_id: str, lists: ListsDep) -> StreamingResponse:
    """Return the whole list with its results as CSV."""
    job = await lists.find(list_id)
    disposition = {"Content-Disposition": 'attachment; filename="enriched.csv"'}
    return StreamingResponse(lists.table(job), headers=disposition, media_type="text/csv; charset=utf-8")


@app.post("/lists/{list_id}/cancel", tags=["lists"], responses=NO_LIST)
async def cancel_list(list_id: str, lists: ListsDep) -> ListProgress:
    """Send nothing more of a list. What was submitted by then is paid for, and its results still come."""
    await lists.cancel(await lists.find(list_id))
    return await lists.progress(await lists.find(list_id))


@app.delete("/lists/{list_id}", status_code=204, tags=["lists"], responses=NO_LIST)
async def forget_list(list_id: str, lists: ListsDep) -> None:
    """Stop a list if it runs, and delete it. What was submitted by then is paid for."""
    await lists.forget(await lists.find(list_id))
