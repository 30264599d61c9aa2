"""The example application as its reader runs it: a uvicorn of its own, and a real browser on its page."""

from __future__ import annotations

import csv
import io
import json
import re
import signal

import anyio
import httpx
import pytest

from cleanlist_async.integrations.fastapi import Problem
from cleanlist_async.sandbox import Sandbox
from tests.examples.pressed_lists import press_again_and_again
from tests.examples.running_app import CSV, finished, free_port, running, settings_for, started, table
from tests.support.browser import CHROMIUM, Browser

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]

ADA = {"first_name": "Ada", "last_name": "Lovelace", "company_domain": "analytical.example"}


@pytest.fixture(scope="module")
async def shared(anyio_backend):
    """A caller of a server that several tests share."""
    async with running() as (_, caller):
        yield caller


async def test_without_a_key_it_runs_against_its_own_sandbox():
    async with running() as (application, caller):
        one = (await caller.post("/enrich", json=ADA)).json()
        assert (one["status"], one["contact"]["first_name"]) == ("found", "Ada")
        assert one["email"].startswith("ada.lovelace.")
        assert (await caller.get("/demo.csv")).text.count("\n") == 810
        assert "<!doctype html>" in (await caller.get("/")).text

        begun = await caller.post("/lists", json=[ADA, {"email": "alone@x.example"}])
        assert begun.status_code == 202
        path = begun.headers["Location"]
        progress, results = await finished(caller, path)
        assert (progress["state"], progress["contacts"], progress["done"]) == ("complete", 2, 2)
        assert progress["statuses"] == {"found": 1, "invalid": 1}
        assert {result["index"]: result["status"] for result in results} == {0: "found", 1: "invalid"}
        assert (await caller.delete(path)).status_code == 204
        assert (await caller.get(path)).status_code == 404
        assert application.end() in {0, -signal.SIGTERM}
    assert "Traceback" not in application.printed
    assert "Warning" not in application.printed


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/csv", "nothing that is known", 422),
        ("text/csv", "", 422),
        ("text/csv", "First Name,Last Name,Website", 422),
        ("application/json", "{}", 422),
        ("application/json", "[]", 422),
        ("application/json", '[{"first_name": 7}]', 422),
        ("text/plain", "x", 415),
        ("text/csv", "x" * 5_000_001, 413),
    ],
)
async def test_what_is_no_list_is_refused(shared, content_type, body, status):
    answer = await shared.post("/lists", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    if status == 422:
        problem = Problem.model_validate_json(answer.content)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert problem.errors
        assert "lists-" not in answer.text  # no path of ours


# -- what a page of another site can make a browser send here -----------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "[::2]",
        "[",
        "",
    ],
)
async def test_another_host_is_not_served(shared, host):
    for method, path in (("GET", "/"), ("GET", "/lists/x"), ("POST", "/enrich"), ("DELETE", "/lists/x")):
        assert (await shared.request(method, path, headers={"Host": host})).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8000"])
async def test_the_names_of_this_machine_are_served(shared, host):
    assert (await shared.get("/health", headers={"Host": host})).status_code == 200


async def test_more_hosts_are_served_where_they_are_named():
    settings = {"PUBLIC_URL": "https://public.example", "ALLOWED_HOSTS": "one.example, two.example"}
    async with running(**settings) as (_, caller):
        for host in ("public.example", "one.example", "two.example:443"):
            assert (await caller.get("/health", headers={"Host": host})).status_code == 200
        assert (await caller.get("/health", headers={"Host": "three.example"})).status_code == 400


SIMPLE_TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]


@pytest.mark.parametrize("content_type", [*SIMPLE_TYPES, "", "text/plain;application/json", "text/json"])
@pytest.mark.parametrize("path", ["/enrich", "/lists"])
async def test_what_a_page_may_post_elsewhere_unasked_buys_nothing(shared, path, content_type):
    bought = (await shared.get("/health")).json()
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = json.dumps(ADA | {"first_name": "Unasked"}).encode()
    assert (await shared.post(path, content=body, headers=headers)).status_code == 415
    assert (await shared.get("/health")).json() == bought


@pytest.mark.parametrize(
    "said",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_the_page_of_another_site_is_refused(shared, said):
    assert (await shared.post("/enrich", json=ADA, headers=said)).status_code == 403
    assert (await shared.delete("/lists/x", headers=said)).status_code == 403


async def test_its_own_page_is_served(shared):
    own = str(shared.base_url)
    for said in ({"Sec-Fetch-Site": "same-origin", "Origin": own}, {"Origin": own}):
        assert (await shared.post("/enrich", json=ADA, headers=said)).status_code == 200


@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked", "Content-Length: 10000000"])
async def test_a_contact_that_is_too_large_is_refused_before_it_has_come(shared, length):
    address = shared.base_url
    head = f"POST /enrich HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    some = b"%x\r\n%b\r\n" % (30_000, b" " * 30_000)
    async with await anyio.connect_tcp(address.host, address.port) as stream:
        await stream.send(head.encode() + some)
        with anyio.fail_after(10):
            assert (await stream.receive()).startswith(b"HTTP/1.1 413 ")


async def test_a_contact_that_is_just_too_large_is_told_so(shared):
    body = json.dumps(ADA).encode()
    headers = {"Content-Type": "application/json"}

    async def pieces(count):
        yield body
        yield b" " * (count - len(body))

    assert (await shared.post("/enrich", content=pieces(20_000), headers=headers)).status_code == 200
    assert (await shared.post("/enrich", content=pieces(20_001), headers=headers)).status_code == 413
    assert (await shared.post("/enrich", content=body + b" " * 20_000, headers=headers)).status_code == 413


async def test_its_documentation_is_right(shared):
    document = (await shared.get("/openapi.json")).json()
    operations = {(method, path) for path, item in document["paths"].items() for method in item}
    assert operations == {
        ("get", "/health"),
        ("get", "/ready"),
        ("post", "/enrich"),
        ("get", "/lists"),
        ("post", "/lists"),
        ("get", "/lists/{list_id}"),
        ("delete", "/lists/{list_id}"),
        ("get", "/lists/{list_id}/results"),
        ("get", "/lists/{list_id}/results.csv"),
        ("post", "/lists/{list_id}/cancel"),
    }
    assert re.findall(r'"\$ref": "(?!#/components/schemas/)', str(document)) == []
    schemas = document["components"]["schemas"]
    enrich = document["paths"]["/enrich"]["post"]
    contact = enrich["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert contact == "#/components/schemas/Contact"
    assert "key" in schemas["Contact"]["properties"]
    assert {"402", "422", "429", "500", "502", "503", "504"} <= enrich["responses"].keys()
    for status, response in enrich["responses"].items():
        assert ("application/problem+json" in response["content"]) == (status != "200")
    accepted = document["paths"]["/lists"]["post"]["requestBody"]["content"]
    assert accepted.keys() == {"application/json", "text/csv"}


async def test_killed_in_the_middle_it_goes_on_and_buys_nothing_twice(tmp_path):
    async with Sandbox(workflow_s=2.0) as sandbox:
        settings = settings_for(sandbox, tmp_path / "store.db")
        async with running(**settings) as (application, caller):
            assert (await caller.get("/demo.csv")).status_code == 404
            path = (await caller.post("/lists", content=table(600), headers=CSV)).headers["Location"]
            with anyio.fail_after(60):
                while len(sandbox.ledger.contacts) < 600:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            await anyio.sleep(0.3)  # the answers are on the disk
            application.end(signal.SIGKILL)
        async with running(**settings) as (application, caller):
            progress, results = await finished(caller, path)
            assert (progress["state"], progress["done"]) == ("complete", 600)
            for result in results:
                truth = sandbox.expected(result["contact"], "partial")
                assert result["email"] == truth.email
            assert application.end() in {0, -signal.SIGTERM}
        assert len(sandbox.ledger.contacts) == 600
        assert sandbox.ledger.duplicates() == {}
        assert sandbox.ledger.count(429) == 0
        assert progress["credits"] == sandbox.ledger.credits_charged


async def test_a_list_that_is_pressed_again_buys_nothing_twice_also_after_a_kill(tmp_path):
    assert await press_again_and_again(tmp_path) == (0, 0)


async def test_a_list_that_is_forgotten_is_gone_for_good(tmp_path):
    async with Sandbox(workflow_s=0.1) as sandbox:
        settings = settings_for(sandbox, tmp_path / "store.db")
        async with running(**settings) as (_, caller):
            path = (await caller.post("/lists", content=table(5), headers=CSV)).headers["Location"]
            await finished(caller, path)
            assert (await caller.delete(path)).status_code == 204
        async with running(**settings) as (_, caller):
            assert (await caller.get(path)).status_code == 404
    assert b"Grace" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


async def test_a_list_stops_at_its_wall_and_says_so(tmp_path):
    async with Sandbox(workflow_s=0.1) as sandbox:
        settings = settings_for(sandbox, tmp_path / "store.db") | {"CREDITS_PER_LIST": "5"}
        async with running(**settings) as (_, caller):
            path = (await caller.post("/lists", content=table(40), headers=CSV)).headers["Location"]
            progress, _ = await finished(caller, path)
            assert progress["state"] == "stopped"
            assert "does not cover" in progress["problem"]
        assert sandbox.ledger.credits_charged <= 5


async def test_it_ends_in_the_middle_of_a_list_and_leaves_no_task_behind():
    async with running() as (application, caller):
        await caller.post("/lists", content=table(900), headers=CSV)
        assert application.end() in {0, -signal.SIGTERM}
    assert "Application shutdown complete." in application.printed
    assert "Traceback" not in application.printed
    assert "Task was destroyed" not in application.printed


async def test_its_webhooks_come_home():
    port = free_port()
    async with running(port, PUBLIC_URL=f"http://127.0.0.1:{port}") as (application, caller):
        path = (await caller.post("/lists", content=table(30), headers=CSV)).headers["Location"]
        progress, _ = await finished(caller, path)
        assert progress["state"] == "complete"
        await anyio.sleep(0.2)
        application.end()
    assert re.search(r'"POST /webhooks/cleanlist/\w+ HTTP/1.1" 20\d', application.printed)


# -- lists: shown, cancelled, downloaded, by any worker ------------------------------------------------


async def test_the_same_request_with_the_same_key_is_one_list(tmp_path):
    async with Sandbox(workflow_s=0.5) as sandbox:
        async with running(**settings_for(sandbox, tmp_path / "store.db")) as (_, caller):
            headers = CSV | {"Idempotency-Key": "7d3c"}
            answers = []

            async def press() -> None:
                answers.append(await caller.post("/lists", content=table(300), headers=headers))

            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(press)
            assert {answer.status_code for answer in answers} == {202}
            (path,) = {answer.headers["Location"] for answer in answers}
            await finished(caller, path)
            again = await caller.post("/lists", content=table(300), headers=headers)
            assert (again.headers["Location"], again.json()["state"]) == (path, "complete")
            other = await caller.post("/lists", content=table(301), headers=headers)
            assert other.status_code == 422
            assert len((await caller.get("/lists")).json()) == 1
        assert len(sandbox.ledger.contacts) == 300


async def test_a_list_is_downloaded_in_the_order_of_its_input(tmp_path):
    async with Sandbox(workflow_s=0.1) as sandbox:
        async with running(**settings_for(sandbox, tmp_path / "store.db")) as (_, caller):
            path = (await caller.post("/lists", content=table(600), headers=CSV)).headers["Location"]
            await finished(caller, path)
            answer = await caller.get(f"{path}/results.csv")
        assert "attachment" in answer.headers["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["first_name"] for row in rows] == [f"Grace{number}" for number in range(600)]
        found = [row for row in rows if row["status"] == "found"]
        assert len(found) == sandbox.ledger.credits_charged > 0
        assert all("@" in row["email"] for row in found)


async def test_several_workers_show_cancel_and_delete_each_other_s_lists(tmp_path):
    async with Sandbox(workflow_s=1.0) as sandbox:
        async with running(workers=3, **settings_for(sandbox, tmp_path / "store.db")) as (_, caller):
            path = (await caller.post("/lists", content=table(20_000), headers=CSV)).headers["Location"]
            for _ in range(10):
                async with fresh(caller) as anyone:  # another connection, and perhaps another worker
                    one = (await anyone.get(path)).json()
                    assert one.get("contacts") == 20_000, one
                    assert [shown["id"] for shown in (await anyone.get("/lists")).json()] == [one["id"]]
            async with fresh(caller) as anyone:
                cancelled = await anyone.post(f"{path}/cancel", headers={"Content-Type": "application/json"})
            assert cancelled.json()["state"] == "cancelled"
            await anyio.sleep(3)
            sent = len(sandbox.ledger.contacts)
            assert sent < 20_000
            await anyio.sleep(3)
            assert len(sandbox.ledger.contacts) == sent
            async with fresh(caller) as anyone:
                assert (await anyone.delete(path)).status_code == 204
                assert (await anyone.get(path)).status_code == 404
        assert sandbox.ledger.duplicates() == {}
        assert sandbox.ledger.count(429) == 0


def fresh(caller):
    """A caller with a connection of its own."""
    return httpx.AsyncClient(base_url=caller.base_url, timeout=60)


async def test_a_list_of_a_worker_that_is_killed_is_taken_over_by_another(tmp_path):
    async with Sandbox(workflow_s=1.0) as sandbox:
        settings = settings_for(sandbox, tmp_path / "store.db")
        async with running(**settings) as (first, caller), running(**settings) as (_, survivor):
            path = (await caller.post("/lists", content=table(600), headers=CSV)).headers["Location"]
            with anyio.fail_after(60):
                while not sandbox.ledger.contacts:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            first.end(signal.SIGKILL)
            progress, results = await finished(survivor, path)
        assert (progress["state"], len(results)) == ("complete", 600)
        assert sandbox.ledger.duplicates() == {}
        assert sandbox.ledger.count(429) == 0


# -- the page ------------------------------------------------------------------------------------------


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
def test_the_page_in_a_real_browser(tmp_path):
    with started(free_port()) as application, Browser() as browser:
        browser.show(width=1280, height=900)
        browser.open_when_served(application.address)
        browser.wait_for("document.getElementById('count').textContent.startsWith('810 contacts')")
        assert browser.evaluate("document.getElementById('mode').textContent").startswith("Sandbox")

        browser.evaluate("document.querySelector('#list button').click()")
        browser.evaluate("document.querySelector('#person button').click()")
        browser.wait_for("document.getElementById('state').textContent !== ''")
        text = "document.getElementById('{}').textContent"
        assert browser.evaluate(text.format("state")) == "All 810 contacts are done."
        assert browser.evaluate(text.format("done")) == "810"
        found = int(browser.evaluate(text.format("found")))
        assert browser.evaluate("document.querySelectorAll('#mosaic .found').length") == found > 400
        assert browser.evaluate("document.querySelectorAll('#mosaic .not_found').length") == 810 - found
        assert browser.evaluate("document.querySelectorAll('#rows tr').length") == 8
        browser.wait_for("document.querySelector('#person .answer').textContent.startsWith('ada.lovelace.')")
        browser.wait_for("document.getElementById('health').textContent.endsWith('0 refused')")

        is_done = "document.getElementById('state')?.textContent === 'All 810 contacts are done.'"
        browser.evaluate("window.isOld = true; location.reload()")
        browser.wait_for(f"!window.isOld && {is_done}")
        assert int(browser.evaluate(text.format("found"))) == found
        browser.wait_for("document.getElementById('count').textContent.startsWith('810 contacts')")
        browser.evaluate("document.getElementById('state').textContent = ''")
        browser.evaluate("document.querySelector('#list button').click()")
        browser.wait_for(is_done)
        assert browser.evaluate(text.format("found")) == str(found)
        assert browser.evaluate(text.format("credits")) == "0"  # it was bought before

        lists = "document.querySelectorAll('#lists li').length"
        browser.wait_for(f"{lists} === 2")
        browser.be_offline(offline=True)
        browser.evaluate(f"document.getElementById('table').value = `{LONG_NAMES}`")
        browser.evaluate("document.querySelector('#list button').click()")
        browser.wait_for("!document.getElementById('connection').hidden")
        browser.be_offline(offline=False)
        browser.wait_for("document.getElementById('state').textContent === 'All 2 contacts are done.'")
        browser.wait_for(f"document.getElementById('connection').hidden && {lists} === 3")
        browser.wait_for("document.querySelectorAll('#rows tr').length === 2")
        assert browser.evaluate("document.querySelectorAll('#rows .unknown, #rows .pending').length") == 0
        browser.evaluate("[...document.querySelectorAll('#lists li:nth-child(3) button')].at(-1).click()")
        browser.wait_for(f"{lists} === 2")

        browser.evaluate("document.getElementById('table').value = 'nothing'")
        browser.evaluate("document.querySelector('#list button').click()")
        browser.wait_for("document.querySelector('#list .answer').textContent.includes('cannot be read')")
        for width in (1280, 375, 320):
            for dark in (False, True):
                browser.show(width=width, height=900, dark=dark)
                assert browser.evaluate("document.documentElement.scrollWidth") <= width
                assert browser.evaluate(CONTRAST) >= 4.5
                browser.screenshot(tmp_path / f"{width}-{dark}.png")
        expected = "422", "ERR_INTERNET_DISCONNECTED"
        assert [problem for problem in browser.problems if not any(map(problem.__contains__, expected))] == []


LONG_NAMES = """First Name,Last Name,Website
Maximiliana-Wolfeschlegelsteinhausenbergerdorff,Cholmondeley-Marjoribanks-Dalrymple,a-long-domain-of-a-company.example
Ada,Lovelace,analytical.example"""

CONTRAST = """
(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number)
      .map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    const color = getComputedStyle(one).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" && one.parentElement ? behind(one.parentElement) : color;
  };
  const texts = "h1, h2, p, label, dt, dd, th, td, li, caption, button, a, footer span";
  const all = [...document.querySelectorAll(texts)]
    .filter((one) => one.textContent.trim() && one.offsetParent);
  return Math.min(...all.map((one) => {
    const [low, high] = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }));
})()
"""
"""The least contrast of any text on the page; WCAG AA asks for 4.5."""
