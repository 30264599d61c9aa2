"""Each operation has its row in every place that the page on contributing names."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from cleanlist_async import AsyncCleanlist
from cleanlist_async.api.public import PublicAPI
from cleanlist_async.events import AttemptStarted
from cleanlist_async.sync import Cleanlist
from cleanlist_async.testing import MemoryNetwork, StrictServer
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.hostile.entries import ENTRIES
from tests.support.cases import each_case
from tests.support.clients import CALLS, against, outcome_of
from tests.support.paid_doors import DOORS, Server
from tests.support.virtual_sandbox import open_world
from tests.surface.groups import OPERATIONS, PUBLIC

ALL = {"public": PUBLIC, **OPERATIONS}
NAMES = [(group, operation.name) for group, operations in ALL.items() for operation in operations]
PAID = {operation.name for operations in ALL.values() for operation in operations if operation.paid}
ENTERED_AS = {
    "lead_lists.csv_import": "lead_lists.import_csv",
    "enrichment.enrichment_status": "enrichment.status",
}


def test_each_method_is_listed_with_its_operation():
    methods = {name for name, member in vars(PublicAPI).items() if inspect.iscoroutinefunction(member)}
    listed = {operation.name for operation in PUBLIC}
    assert {name for name in methods if not name.startswith("_")} == listed


@each_case(("group", "name"), NAMES)
def test_its_raw_response_is_on_both_clients(group, name):
    for client in (AsyncCleanlist("clapi_of_this_test"), Cleanlist("clapi_of_this_test")):
        raw = getattr(client.with_raw_response, group)
        assert hasattr(raw, name), "add it to api/raw_responses.py and runtime/blocking.py"


@each_case("name", [operation.name for operation in PUBLIC])
async def test_the_sandbox_has_it(name):
    async with open_world() as world:
        outcome = await outcome_of(CALLS[name](world.client))
    assert not is_unknown(outcome), "add it to sandbox/public_api.py"


@each_case("name", [operation.name for operation in PUBLIC])
async def test_the_strict_server_has_it(name):
    async with MemoryNetwork(StrictServer()) as network, VirtualCleanlist(network, "clapi_test") as client:
        outcome = await outcome_of(CALLS[name](client))
    assert not is_unknown(outcome), "add it to testing/strict_server.py"


def is_unknown(outcome: object) -> bool:
    """Whether a server knows no such address; of one that it knows, it says which id it does not know."""
    return isinstance(outcome, Exception) and re.search(r"\bNot Found\b", str(outcome)) is not None


@each_case(("group", "name"), NAMES)
def test_it_is_asked_for_hostile_answers(group, name):
    entry = f"{group}.{name}"
    assert ENTERED_AS.get(entry, entry) in ENTRIES, "add it to tests/hostile/entries.py"


@pytest.mark.sockets
@pytest.mark.anyio
async def test_a_paid_one_is_a_door_that_is_tried_and_says_what_it_can_cost(tmp_path: Path):
    called, priced = set(), set()

    def note(event):
        if isinstance(event, AttemptStarted):
            called.add(event.operation)

    def price(spend):
        if spend.worst_case_credits is not None:
            priced.add(spend.door)

    for number, door in enumerate(DOORS.values()):
        (folder := tmp_path / str(number)).mkdir()
        async with against(Server(), on_event=note, before_spend=price) as (client, _):
            await outcome_of(door(client, folder))
    assert called >= PAID, "add it to tests/support/paid_doors.py"
    assert priced >= PAID, "give its call a `spend`"
