"""A run with faults, by a server that echoes all it gets: no key and no contact in any event or log line."""

import json
import logging

import anyio

from cleanlist_async import Contact
from cleanlist_async.events import AttemptFinished, CallDetached, CallFinished, RateLimited, WorkflowAccepted
from cleanlist_async.testing import ServerResponse
from tests.support.clients import KEY, Served, outcome_of, respond, virtual_client

PERSON = Contact(
    first_name="Zephyrine",
    last_name="Quillfeather",
    company_domain="quillfeather.example",
    email="zephyrine@quillfeather.example",
    linkedin_url="https://www.linkedin.com/in/zephyrine-quillfeather",
    key="row-of-zephyrine",
)
PLAIN = {*vars(logging.makeLogRecord({})), "message", "exc_text"}
CANARIES = ("zephyrine", "quillfeather")
ROWS = {"results": [{"task_id": "t_1", "email": PERSON.email, "first_name": "Zephyrine"}]}


def echoing(request, number):
    """Every kind of answer in turn, each with the key and the contact wherever a text can be."""
    said = f"{request.body.decode()} {request.headers['authorization']}\r\nWARNING forged line {PERSON.email}"
    error = {"code": PERSON.email, "problem": said, "request_id": said, "fix": said, "details": {said: said}}
    accepted = {"workflow_id": f"wf_{number}", "status": "processing", "task_ids": ["t_1"], "you": said}
    done = {"status": "completed", "you": said, **ROWS}
    good = accepted if request.method == "POST" else done
    return (
        respond({"error": error}, 429, retry_after="1"),
        respond(good),
        respond({"error": error}, 503 if request.method == "GET" else 422, x_request_id=PERSON.email),
        respond({"detail": said}, 400),
        ServerResponse(200, b"", reset_after=0),
        respond(f"<p>{said}</p>".encode(), 502, content_type="text/html"),
        respond({**good, "status": said[:60], "workflow_id": PERSON.email}),
        respond({"error": error}, 500),
    )[(number + number // 8) % 8]  # so that no operation meets the same ones each time


def fields(record):
    """What a machine reads of a record."""
    return {name: value for name, value in vars(record).items() if name not in PLAIN}


async def test_neither_key_nor_contact_is_in_any_event_or_log_line(caplog):
    caplog.set_level(logging.DEBUG)
    told = []

    def listener(event):
        told.append(event)
        if len(told) == 5:
            raise ValueError(PERSON.email)

    def progress(_progress):
        raise ValueError(PERSON.email)

    async with virtual_client(
        Served(echoing), api_key=KEY, on_event=listener, deadline_s=300.0, latency=lambda: 0.05
    ) as client:
        for _ in range(12):
            await outcome_of(client.public.submit_bulk([PERSON]))
            await outcome_of(client.public.bulk_status(workflow_id="wf_1"))
            await outcome_of(client.enrich([PERSON], progress=progress))
            await outcome_of(
                client.request("GET", f"/api/v2/people/{PERSON.email}", params={"q": PERSON.email})
            )
        await anyio.sleep(600)  # what is cancelled below is on the wire by then, not at the limiter
        for _ in range(8):
            with anyio.move_on_after(0.02):
                await outcome_of(client.public.submit_bulk([PERSON]))
            await anyio.sleep(1)
    assert {AttemptFinished, CallDetached, CallFinished, RateLimited, WorkflowAccepted} <= {
        type(event) for event in told
    }
    assert {event.error for event in told if isinstance(event, CallFinished)} >= {
        *("UnknownOutcomeError", "RequestValidationError", "CancelledError", None)
    }
    shown = repr(told).lower()
    for canary in (*CANARIES, KEY, json.dumps(KEY)[1:-1]):
        assert canary.lower() not in shown
    ours = [record for record in caplog.records if record.name.startswith("cleanlist_async")]
    assert {record.levelno for record in ours} >= {logging.DEBUG, logging.INFO, logging.WARNING}
    for record in ours:
        text = f"{record.getMessage()} {record.args!r} {fields(record)}"
        assert "\n" not in text
        assert "\r" not in text
        assert len(record.getMessage()) <= 200
        assert KEY not in text + str(record.exc_text)
        if record.levelno >= logging.INFO:
            assert record.exc_info is None
            assert not any(canary in text.lower() for canary in CANARIES)
