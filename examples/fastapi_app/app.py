"""A backend that enriches: one person while the caller waits, or a list that a page shows live.

Usage: uvicorn --app-dir examples/fastapi_app app:app

Without a key it runs against a sandbox of its own: invented people, no credits. With CLEANLIST_API_KEY it
spends credits, at most CREDITS_PER_LIST (1000) for a list. Lists, and what was bought, are in CLEANLIST_STORE
(./purchases.db, or a PostgreSQL): a list goes on when the process starts again, and nobody is bought twice.
With PUBLIC_URL, the address at which Cleanlist reaches this server, webhooks are received. It answers to that
host name and those of this machine; ALLOWED_HOSTS, separated by commas, adds more. Anyone who reaches it can
buy: put it behind a login.
"""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

import anyio
from demo import demo_table, sandboxed_client
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, PlainTextResponse
from guard import Guard
from lists import Enriched, ListProgress, LiveList, LiveLists
from pydantic import TypeAdapter, ValidationError

from cleanlist_async import AsyncCleanlist, Contact, WebhookReceiver
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

receiver = WebhookReceiver(f"{PUBLIC_URL}/webhooks/cleanlist") if PUBLIC_URL else None


def open_client() -> AbstractAsyncContextManager[AsyncCleanlist]:
    return AsyncCleanlist(webhooks=receiver, store=STORE) if HAS_KEY else sandboxed_client(receiver)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[Mapping[str, object]]:
    """Open the client, then what works with it; close in reverse. No task outlives this block."""
    async with cleanlist_lifespan(open_client)(app) as state, anyio.create_task_group() as tasks:
        lists = LiveLists(state["cleanlist"], tasks, CREDITS_PER_LIST)
        await lists.resume()
        yield {**state, "lists": lists}
        tasks.cancel_scope.cancel()


app = FastAPI(title="Cleanlist live", version="1.0", description=DESCRIPTION, lifespan=lifespan)
app.add_middleware(Guard, hosts=HOSTS, max_bytes=MAX_BODY_BYTES, max_bytes_of={"/enrich": MAX_CONTACT_BYTES})
install_error_handlers(app, invalid_requests=True)
app.include_router(health_router())
if receiver is not None:
    app.include_router(webhook_router(receiver))


def live_lists(request: Request) -> LiveLists:
    return cast("LiveLists", request.state.lists)


LiveListsDep = Annotated[LiveLists, Depends(live_lists)]


NO_LIST: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such list"}}
CONTACTS = TypeAdapter(list[Contact])
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


@app.post(
    "/lists", status_code=202, tags=["lists"], openapi_extra=LIST_BODY, responses=problem_responses(402, 422)
)
async def start_list(request: Request, lists: LiveListsDep, response: Response) -> ListProgress:
    """Start to enrich a list, and return at once; `Location` is the address of its progress."""
    if lists.is_full:
        raise HTTPException(409, "There are too many lists; delete one.")
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in {"application/json", "text/csv"}:
        raise HTTPException(415, "A list must be application/json or text/csv.")
    body = await request.body()
    if kind == "text/csv":
        started = await lists.start_csv(body)
    else:
        try:
            started = await lists.start(CONTACTS.validate_json(body))
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None
    response.headers["Location"] = f"/lists/{started.id}"
    return started.progress(since=0)


@app.get("/lists/{list_id}", tags=["lists"], responses=NO_LIST)
async def progress(list_id: str, lists: LiveListsDep, since: Annotated[int, Query(ge=0)] = 0) -> ListProgress:
    """Return where a list stands, with the results after the first `since`."""
    return known(list_id, lists).progress(since)


@app.delete("/lists/{list_id}", status_code=204, tags=["lists"], responses=NO_LIST)
async def forget_list(list_id: str, lists: LiveListsDep) -> None:
    """Stop a list if it runs, and delete it. What was submitted by then is paid for."""
    await lists.forget(known(list_id, lists))


def known(list_id: str, lists: LiveLists) -> LiveList:
    if (found := lists.find(list_id)) is None:
        raise HTTPException(404, "There is no such list.")
    return found
