"""Each example as its reader runs it: a process of its own, against a sandbox with the real limits."""

from __future__ import annotations

import csv
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from cleanlist_async import AsyncCleanlist
from cleanlist_async.sandbox import Sandbox

pytestmark = [pytest.mark.sockets, pytest.mark.anyio]

EXAMPLES = Path(__file__).parents[2] / "examples"
KEY = "clapi_example_5f2c0e9b7d31a846"
PEOPLE = b"First Name,Last Name,Website\n" + b"".join(
    b"Ada%d,Lovelace,engine.example\n" % n for n in range(30)
)
UNKNOWN = "00000000-0000-0000-0000-000000000000"


@dataclass
class World:
    """A sandbox, a folder, and what an example printed in it."""

    sandbox: Sandbox
    folder: Path
    code: int | None = None
    out: str = ""
    err: str = ""

    async def run(self, name: str, *args: str, crashes: bool = False) -> list[str]:
        """Run an example to its end, and return the lines that it printed."""
        (script,) = EXAMPLES.glob(f"{name}_*.py")
        settings = {"CLEANLIST_API_KEY": KEY, "CLEANLIST_BASE_URL": self.sandbox.base_url}
        with anyio.fail_after(60):
            done = await anyio.run_process(
                [sys.executable, "-W", "error", str(script), *args],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent), "PYTHONUTF8": "1"} | settings,
                check=False,
            )
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()
        assert ("Traceback" in self.err) == crashes, self.err
        assert KEY not in self.out + self.err
        return self.out.splitlines()

    async def with_list(self, name: str = "Leads") -> str:
        """Return a list of thirty people. Free."""
        async with self.client() as client:
            made = await client.lead_lists.create_list(name)
            assert (await client.lead_lists.import_csv(made.list_id, PEOPLE)).rows_imported == 30
        return made.list_id

    def client(self) -> AsyncCleanlist:
        return AsyncCleanlist(KEY, base_url=self.sandbox.base_url)

    def bought(self) -> dict[str, float]:
        """Return the credits that were taken, by tool."""
        charges = self.sandbox.ledger.charges
        return {tool: sum(c.credits for c in charges if c.tool == tool) for tool in {c.tool for c in charges}}

    def priced(self, enrichment_type: str) -> float:
        """Return what the accepted contacts are worth by the sandbox's own list of prices and finds."""
        contacts = self.sandbox.ledger.contacts
        return sum(self.sandbox.expected(c.contact, enrichment_type).credits for c in contacts)


@pytest.fixture
async def world(tmp_path):
    async with Sandbox(api_keys=(KEY,), workflow_s=0.2, credits=1_000) as sandbox:
        yield World(sandbox, tmp_path)
    assert sandbox.ledger.count(429) == 0
    assert sandbox.ledger.count(None) == 0
    assert sandbox.ledger.duplicates() == {}


@pytest.mark.smoke
async def test_quickstart(world):
    await world.with_list()
    lines = await world.run("01")
    assert world.code == 0, world.err
    assert lines[0] == "Sandbox is on the plan pro"
    assert "lists:write" in lines[1]
    assert lines[2] == "Credits left: 1000"
    assert re.fullmatch(r"List [0-9a-f-]{36} is new", lines[3])
    assert lines[4:] == ["  Leads: 30 leads", "  SDK quickstart: 0 leads"]
    assert "already existed" in (await world.run("01"))[3]
    assert world.bought() == {}


async def test_enrich_person(world):
    started, charged, found = await world.run("02")
    assert re.fullmatch(r"Started enrich-[0-9a-f-]{36}, credits reserved: 1", started)
    (accepted,) = world.sandbox.ledger.contacts
    assert accepted.contact["company_name"] == "Analytical Engines"
    truth = world.sandbox.expected(accepted.contact, "partial")
    assert charged == "Credits charged: 1, refunded: 0"
    assert found == f"Found Ada Lovelace: {truth.email}"
    assert world.bought() == {"enrich_person": 1}


async def test_enrich_person_who_is_not_found(tmp_path):
    async with Sandbox(api_keys=(KEY,), workflow_s=0.2, hit_rate=0.0) as sandbox:
        world = World(sandbox, tmp_path)
        assert (await world.run("02"))[1:] == ["Credits charged: 0, refunded: 1"]
        assert world.bought() == {}


async def test_bulk_enrich_with_quote(world):
    list_id = await world.with_list()
    lines = await world.run("03", list_id, "330")
    assert lines[0] == "30 leads, at most 330 of 1000 credits"
    assert lines[-3] == "  completed: 30 of 30"
    cost = world.priced("full")
    found = sum(world.sandbox.expected(c.contact, "full").successful for c in world.sandbox.ledger.contacts)
    assert lines[-2] == f"Enriched {found} leads, {30 - found} without a result"
    assert lines[-1] == f"Credits charged: {cost:g}, refunded: {330 - cost:g}"
    assert world.bought() == {"enrich_list": cost}


@pytest.mark.parametrize(
    ("max_credits", "balance", "said"),
    [
        ("329", 1_000, "The quote is for 330 credits, but max_credits is 329. Nothing was bought."),
        ("330", 100, "The call would cost 330 credits, which the balance does not cover."),
    ],
)
async def test_bulk_enrich_buys_nothing_beyond_the_wall_or_the_balance(world, max_credits, balance, said):
    list_id = await world.with_list()
    world.sandbox.set_credits(balance)
    await world.run("03", list_id, max_credits)
    assert world.code == 1
    assert said in world.err
    assert world.sandbox.ledger.contacts == []
    assert world.sandbox.ledger.requests_of("/api/v2/enrichment/bulk") == []


async def test_lead_lists_crud(world):
    await world.with_list("SDK list demo")
    created, changed, read, walked, deleted = await world.run("04")
    assert re.fullmatch(r"Created [0-9a-f-]{36} \(reused: True\)", created)
    assert changed.endswith("to None")
    assert read == "Read 'SDK list demo': 30 leads, 0 enriched"
    assert walked == "Walked through 30 leads on all pages"
    assert deleted == "Deleted"
    async with world.client() as client:
        assert [found async for found in client.lead_lists.list_lists()] == []
    assert world.bought() == {}


async def test_lead_lists_crud_makes_the_list_it_deletes(world):
    created, changed, *_ = await world.run("04")
    assert created.endswith("(reused: False)")
    assert changed == "Changed its description from 'Made by an example' to None"


async def test_smart_agent(world):
    list_id = await world.with_list()
    started, counted, *rows = await world.run("05", list_id, "30")
    assert re.fullmatch(r"Started [0-9a-f-]{36}, at most \d+ credits", started)
    assert counted == "25 of 25 leads have an opening line"
    async with world.client() as client:
        leads = [lead.lead_id async for lead in client.lead_lists.list_leads_in_list(list_id)]
    assert [row.split(":")[0].strip() for row in rows] == leads[:25]
    assert all("open a conversation" in row for row in rows)
    assert world.bought() == {"run_smart_agent": 25}


async def test_export(world):
    list_id = await world.with_list()
    saved, *rows = await world.run("06", list_id, "leads.csv")
    file = world.folder / "leads.csv"
    assert saved == f"leads.csv: 30 rows, {file.stat().st_size} bytes"
    assert rows == [f"  Ada{n} Lovelace: None" for n in range(30)]
    with file.open(newline="") as stream:
        assert [row["first_name"] for row in csv.DictReader(stream)] == [f"Ada{n}" for n in range(30)]
    assert world.bought() == {}


async def test_async_quickstart(world):
    await world.with_list("First")
    await world.with_list("Second")
    account, latest, created = await world.run("07")
    assert account == "Sandbox has 1000 credits"
    assert latest == "Latest lists: First, Second"
    assert re.fullmatch(r"List [0-9a-f-]{36} is ready", created)
    assert world.bought() == {}


async def test_error_handling(world):
    missing, refused = await world.run("08")
    assert re.fullmatch(r"There is no such list \(404 list_not_found, request \S+\)", missing)
    assert refused.startswith("The list cannot be created: name: ")
    assert [r.path for r in world.sandbox.ledger.requests] == [f"/api/v2/lead-lists/{UNKNOWN}"]
    world.sandbox.revoke(KEY)
    assert (await world.run("08"))[0].startswith("The key is not valid: ")


async def test_search_and_enrich(world):
    lines = await world.run("09", "10")
    assert re.fullmatch(r"\d+ people match; enriching 10 of them into list [0-9a-f-]{36}", lines[0])
    contacts = world.sandbox.ledger.contacts
    cost = world.priced("partial")
    assert len(contacts) == 10
    assert lines[1] == f"Credits charged: {cost:g}, refunded: {10 - cost:g}"
    emails = {world.sandbox.expected(c.contact, "partial").email for c in contacts} - {None}
    shown = {line.rsplit(": ", 1)[1] for line in lines[2:]}
    assert shown - {"nothing found"} == emails
    assert world.bought() == {"add_person_enrichments": cost}


async def test_bulk_csv(world):
    write_contacts(world.folder / "in.csv", 300)
    (said,) = await world.run("10", "in.csv", "out.csv", "300")
    contacts = world.sandbox.ledger.contacts
    assert len(contacts) == 300
    rows = {row["key"]: row for row in read_csv(world.folder / "out.csv")}
    assert len(rows) == 301
    assert rows["nobody"]["status"] == "invalid"
    for accepted in contacts:
        row = rows[str(accepted.contact["first_name"])]
        truth = world.sandbox.expected(accepted.contact, "partial")
        assert (row["email"], row["status"]) == ((truth.email, "found") if truth.email else ("", "not_found"))
    cost = world.priced("partial")
    assert said.startswith("301 contacts: ")
    assert said.endswith(f"; {cost:g} credits")
    assert world.bought() == {"enrich_bulk": cost}


async def test_bulk_csv_stops_at_the_wall_and_writes_what_it_bought(world):
    write_contacts(world.folder / "in.csv", 20)
    stopped, summary = await world.run("10", "in.csv", "out.csv", "5")
    assert stopped.startswith("Stopped early: ")
    assert summary.endswith("; 5 credits")
    statuses = [row["status"] for row in read_csv(world.folder / "out.csv")]
    assert len(statuses) == 21
    assert statuses.count("found") == 5
    assert world.bought() == {"enrich_bulk": 5}


async def test_bulk_csv_does_not_write_over_results(world):
    write_contacts(world.folder / "in.csv", 1)
    (world.folder / "out.csv").write_text("bought before")
    await world.run("10", "in.csv", "out.csv", "5", crashes=True)
    assert "FileExistsError" in world.err
    assert (world.folder / "out.csv").read_text() == "bought before"
    assert world.sandbox.ledger.requests == []


@pytest.mark.parametrize("name", ["03", "05", "06", "09", "10"])
async def test_without_its_arguments_an_example_says_how_it_is_run(world, name):
    await world.run(name)
    assert world.code == 1
    assert f"\nUsage: python examples/{name}_" in world.err
    assert world.sandbox.ledger.requests == []


async def test_the_readme_shows_what_is_printed(world):
    shown = re.search(r"```\n(\d+ people match.*?)```", (EXAMPLES / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    await world.run("09", "10")
    assert world.out == shown.group(1)


def write_contacts(path: Path, count: int) -> None:
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("key", "first_name", "last_name", "company_domain"))
        rows.writerows((f"Grace{n}", f"Grace{n}", "Hopper", "navy.example") for n in range(count))
        rows.writerow(("nobody", "", "", ""))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))
