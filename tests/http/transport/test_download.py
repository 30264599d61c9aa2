"""``download_csv``: from another host, without the key, whole or not at all, and the address stays secret."""

from __future__ import annotations

import gzip
import logging
import os
import stat
import traceback
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from cleanlist_async import (
    APIConnectionError,
    APITimeoutError,
    CleanlistError,
    ConfigurationError,
    MalformedResponseError,
)
from cleanlist_async.integrations.opentelemetry import OpenTelemetry
from cleanlist_async.sandbox import Sandbox
from tests.support.cases import each_case
from tests.support.clients import KEY, always, client_of, json_answer
from tests.support.faulty_server import FaultyServer, answer, garbage, redirect
from tests.support.modern_world import csv_of

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

FILE = b"lead_id,email\r\n" + b"1,a@b.example\r\n" * 5_000
SIZE = len(FILE)
SECRET = "sig=canary%2Fsignature"  # the one that must not show


@asynccontextmanager
async def served(script, size=SIZE, target="/exports/f.csv", **options):
    """A client, the API that hands out an address, and the other host that the address leads to."""
    async with FaultyServer(script, max_requests=100, max_connection_s=5) as files:
        made = {
            "list_id": "l",
            "download_url": f"{files.base_url}{target}?{SECRET}",
            "expires_at": "2031-05-12T09:31:44Z",
            "row_count": 5_000,
            "file_size_bytes": size,
        }
        async with (
            FaultyServer(always(json_answer(made)), max_requests=100, max_connection_s=5) as api,
            client_of(api.base_url, **{"api_key": KEY, **options}) as client,
        ):
            yield client, api, files


def outcome(script, path, **options):
    """The outcome of a download, and what the file server saw."""

    async def main():
        async with served(script, **options) as (client, _, files):
            try:
                return await client.export.download_csv("l", path), files.requests
            except CleanlistError as error:
                return error, files.requests

    return anyio.run(main)


GOOD = answer(200, FILE, {"content-type": "text/csv"})
SILENT = GOOD.cut(1_000, "hang")


async def test_the_key_goes_to_the_api_and_to_nobody_else(tmp_path):
    target = tmp_path / "out.csv"

    async with served(always(GOOD)) as (client, api, files):
        made = await client.export.download_csv("l", target)
        assert (made.row_count, target.read_bytes()) == (5_000, FILE)
        (asked,), (fetched,) = api.requests, files.requests
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        assert "authorization" not in fetched.headers
        assert KEY not in repr(fetched)
        assert fetched.target.endswith(SECRET)
        assert set(fetched.headers) <= {"host", "accept-encoding", "user-agent"}
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


BAD = {
    "redirect": (redirect("http://127.0.0.1:9/x"), MalformedResponseError, 1),
    "403": (answer(403, b"<Error/>"), MalformedResponseError, 1),
    "404": (answer(404, b""), MalformedResponseError, 1),
    "204": (answer(204, b""), MalformedResponseError, 1),
    "206": (answer(206, FILE), MalformedResponseError, 1),
    "gzip": (answer(200, gzip.compress(FILE), {"content-encoding": "gzip"}), MalformedResponseError, 1),
    "500": (answer(500, b"{}"), MalformedResponseError, 5),
    "cut": (GOOD.cut(1_000), APIConnectionError, 5),
    "reset": (GOOD.cut(1_000, "reset"), APIConnectionError, 5),
    "garbage": (garbage(), APIConnectionError, 5),
    "short": (answer(200, FILE[:-1]), APIConnectionError, 5),
    "long": (answer(200, FILE + b"x"), APIConnectionError, 5),
    "empty": (answer(200, b""), APIConnectionError, 5),
}


@each_case("case", BAD)
def test_what_is_not_the_file_leaves_the_target_as_it_was(tmp_path, case):
    script, kind, attempts = BAD[case]
    target = tmp_path / "out.csv"
    target.write_text("what was there")
    error, requests = outcome(always(script), target)
    assert type(error) is kind
    assert error.billed == "no"
    assert len(requests) == attempts
    assert target.read_text() == "what was there"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_a_file_that_stops_coming_leaves_the_target_as_it_was(tmp_path):
    target = tmp_path / "out.csv"
    target.write_text("what was there")
    error, _ = outcome(always(SILENT), target, request_timeout_s=0.3, max_retries=1)
    assert (type(error), error.billed) == (APITimeoutError, "no")
    assert target.read_text() == "what was there"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_download_that_broke_off_is_begun_again(tmp_path):
    target = tmp_path / "out.csv"
    done, requests = outcome(lambda request, number: GOOD if number else GOOD.cut(5_000), target)
    assert done.row_count == 5_000
    assert (len(requests), target.read_bytes()) == (2, FILE)


def test_a_file_without_end_does_not_fill_the_disk(tmp_path):
    endless = answer(200, FILE * 20, {"content-type": "text/csv"}, content_length=10**12)
    error, _ = outcome(always(endless), tmp_path / "out.csv", max_retries=0)
    assert "more than" in str(error)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [None, 0, "?"])
def test_a_size_that_nobody_said_is_not_held_against_the_file(tmp_path, size):
    target = tmp_path / "out.csv"
    outcome(always(GOOD), target, size=size)
    assert target.read_bytes() == FILE


async def test_the_target_is_replaced_only_at_the_end(tmp_path):
    target = tmp_path / "out.csv"
    target.write_text("old")

    slow = GOOD.drip(len(GOOD.raw) // 2, 0.1)
    async with served(always(slow)) as (client, *_), anyio.create_task_group() as group:
        group.start_soon(client.export.download_csv, "l", target)
        with anyio.fail_after(60):
            while len(list(tmp_path.iterdir())) == 1:  # noqa: ASYNC110  # nothing else tells of a file
                await anyio.sleep(0.005)
        assert target.read_text() == "old"
    assert target.read_bytes() == FILE


async def test_a_cancelled_download_leaves_nothing_behind(tmp_path):
    async with served(always(GOOD.cut(1_000, "hang"))) as (client, *_):
        with anyio.move_on_after(0.2):
            await client.export.download_csv("l", tmp_path / "out.csv")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_explained(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    for path in (
        tmp_path / "folder",
        tmp_path / "missing" / "out.csv",
        tmp_path / ("n" * 300),
    ):
        error, requests = outcome(always(GOOD), path)
        assert type(error) is ConfigurationError
        assert "cannot be written" in str(error)
        assert len(requests) == 1
    for path in ("", ".", "/", tmp_path / "a\0b"):
        error, requests = outcome(always(GOOD), path)
        assert type(error) is ConfigurationError
        assert not requests
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_explained(tmp_path, monkeypatch):
    full = Path("/dev/full").open("wb")  # noqa: SIM115 - the download closes it
    monkeypatch.setattr("cleanlist_async.http.transport.download._created", lambda _part, _target: full)
    error, _ = outcome(always(GOOD), tmp_path / "out.csv")
    assert type(error) is ConfigurationError
    assert "No space left" in str(error)
    assert not list(tmp_path.iterdir())


@each_case(
    "url",
    [
        "",
        "ftp://files.example/x",
        "http://files.example/x",
        "https://user:pw@files.example/x",
        "//files.example/x",
        "/exports/x",
        "javascript:x",
        "https://",
        None,
        5,
    ],
)
async def test_an_address_that_is_not_safe_is_not_asked(tmp_path, url):
    made = {"list_id": "l", "download_url": url}
    async with (
        FaultyServer(always(json_answer(made)), max_requests=9, max_connection_s=5) as api,
        client_of(api.base_url) as client,
    ):
        with pytest.raises(MalformedResponseError) as caught:
            await client.export.download_csv("l", tmp_path / "x.csv")
        assert not caught.value.retryable
        assert len(api.requests) == 1


@pytest.mark.parametrize("case", ["good", "silent", *BAD])
def test_the_signed_address_is_in_no_log_repr_or_traceback(tmp_path, caplog, case):
    script = {"good": GOOD, "silent": SILENT}.get(case) or BAD[case][0]
    options = {"request_timeout_s": 0.3} if case == "silent" else {}
    for name in ("", "httpx", "httpcore", "cleanlist_async", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    found, requests = outcome(always(script), tmp_path / "x.csv", max_retries=0, **options)
    texts = [repr(found), str(found), caplog.text, *(repr(record.args) for record in caplog.records)]
    if isinstance(found, Exception):
        inside = traceback.TracebackException.from_exception(found, capture_locals=True)
        texts += ["".join(inside.format()), repr(vars(found)), repr(found.__context__), repr(found.__cause__)]
    assert requests
    assert len(caplog.records) > 3
    for text in texts:
        assert "canary" not in text
        assert "f.csv" not in text


async def test_the_sandbox_hands_out_the_file_and_refuses_a_key(tmp_path):
    target = tmp_path / "leads.csv"

    async with Sandbox() as sandbox, client_of(sandbox.base_url, api_key=sandbox.api_key) as client:
        made = await client.lead_lists.create_list("A")
        await client.lead_lists.import_csv(made.list_id, csv_of(700))
        await client.export.download_csv(made.list_id, str(target), columns=["email"])
    assert target.read_text().splitlines() == ["email", *(f"ada{i}@example.com" for i in range(700))]
    assert stat.S_ISREG(target.stat().st_mode)


def test_a_deadline_ends_a_download(tmp_path):
    error, _ = outcome(always(GOOD.drip(10, 0.01)), tmp_path / "x.csv", deadline_s=0.2, max_retries=0)
    assert type(error).__name__ == "DeadlineExceededError"
    assert error.billed == "no"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_that_is_written_over_is_opened_to_nobody(tmp_path, mode):
    target = tmp_path / "out.csv"
    target.touch(mode)
    before = os.umask(0)
    try:
        outcome(always(GOOD), target)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert target.stat().st_size > 0


async def test_a_download_is_traced_with_each_attempt_and_without_its_address(tmp_path):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    script = [answer(500, b"{}"), GOOD.cut(1_000), GOOD]
    async with served(lambda _, number: script[number], on_event=OpenTelemetry(provider)) as (
        client,
        _,
        files,
    ):
        await client.export.download_csv("l", tmp_path / "out.csv")
        port = int(files.base_url.rpartition(":")[2])
    *attempts, call = exporter.get_finished_spans()[2:]  # behind those of the export
    assert (call.name, call.attributes["cleanlist.attempts"]) == ("cleanlist.download", 3)
    for attempt in attempts:
        assert (attempt.name, attempt.kind, attempt.parent) == ("GET", SpanKind.CLIENT, call.context)
        assert attempt.attributes["server.port"] == port
        assert "url.template" not in attempt.attributes
    shown = ("http.response.status_code", "error.type", "http.response.body.size")
    assert [tuple(map(attempt.attributes.get, shown)) for attempt in attempts] == [
        (500, "500", 0),
        (200, "connection", 0),
        (200, None, SIZE),
    ]
    assert not any("f.csv" in span.to_json() or "canary" in span.to_json() for span in [*attempts, call])
