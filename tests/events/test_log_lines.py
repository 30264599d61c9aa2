"""Events as log records: constant templates, fields for machines, one line for people."""

import ast
import logging
from dataclasses import fields
from typing import get_args

import anyio
import pytest

from cleanlist_async import RateLimits, WaitTimeoutError
from cleanlist_async.events import AttemptStarted, Event, Events, RateLimited, UnknownPart
from cleanlist_async.events.log_lines import fields_of
from cleanlist_async.ratelimit import BucketState
from tests.support.clients import ANSWERS, outcome_of, respond, virtual_client
from tests.support.shared_stores import sqlite_limiter
from tests.support.source_tree import modules
from tests.support.virtual_sandbox import open_world, people

BALANCE = respond(ANSWERS["credits_balance"])
RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime"}


def test_a_log_line_is_one_line_of_at_most_200_characters(caplog):
    state = BucketState("acme\nWARNING forged\u2028" + 300 * "x", 60, 42, 0, 0, 5.0, 5.0)
    Events().emit(RateLimited(1, "submit_bulk", 5.0, None, (state,), None))
    (record,) = caplog.records
    assert 100 < len(record.getMessage()) <= 200
    assert len(record.getMessage().splitlines()) == 1


def test_a_part_that_is_not_known_has_a_line(caplog):
    caplog.set_level(logging.DEBUG, "cleanlist_async")
    Events().emit(UnknownPart("whoami", "field", "Whoami.region"))
    assert caplog.messages == ["an answer to whoami has an unknown field: Whoami.region"]


def test_every_message_of_the_package_is_a_constant_template():
    varying = [
        (name, node.lineno)
        for name, module in modules().items()
        for node in ast.walk(ast.parse(module.text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr)
        in {("log", level) for level in ("debug", "info", "warning", "error", "exception")}
        if not isinstance(node.args[0], ast.Constant)
    ]
    assert varying == []


def test_no_field_of_an_event_takes_the_place_of_one_of_a_record():
    names = {field.name for kind in get_args(Event) for field in fields(kind)}
    assert names & RECORD == set()


async def test_calls_of_one_kind_share_their_templates_and_carry_their_fields(caplog):
    caplog.set_level(logging.DEBUG, "cleanlist_async")
    answers = [respond({}, 429, retry_after="7"), BALANCE, BALANCE]
    async with virtual_client(lambda request, number: answers[number]) as client:
        for _ in range(2):
            await client.public.credits_balance()
    ended = [record for record in caplog.records if getattr(record, "event", "") == "CallFinished"]
    assert len({record.msg for record in ended}) == 1
    assert [(record.operation, record.status, record.attempts) for record in ended] == [
        ("credits_balance", 200, 2),
        ("credits_balance", 200, 1),
    ]
    (limited,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert (limited.event, limited.operation) == ("RateLimited", "credits_balance")
    assert 7 <= limited.wait_s < 8


async def test_a_wait_of_more_than_five_seconds_is_info_also_without_a_listener(caplog):
    caplog.set_level(logging.INFO, "cleanlist_async")
    async with virtual_client(
        lambda request, number: BALANCE, rate_limits=RateLimits(org=1, key=1)
    ) as client:
        for _ in range(2):
            await client.public.credits_balance()
    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "AttemptStarted"]
    assert record.levelno == logging.INFO
    assert record.getMessage().startswith("credits_balance waited 60")
    assert 60 <= record.waited_s < 61


def test_the_fields_of_an_event_leave_out_what_is_not_known():
    assert fields_of(AttemptStarted(1, "bulk_status", 1, 0.0, None)) == {
        "event": "AttemptStarted",
        "call": 1,
        "operation": "bulk_status",
        "attempt": 1,
        "waited_s": 0.0,
    }


# -- what was bought and not delivered -------------------------------------------------------------


async def test_a_client_that_is_closed_with_callers_waiting_warns_with_their_workflow(caplog):
    async with open_world(workflow_s=30) as world, anyio.create_task_group() as group:
        for person in people(3):
            group.start_soon(outcome_of, world.client.enrich_one(person))
        await anyio.sleep(5)
        await world.client.aclose()
    (warning,) = undelivered(caplog)
    assert warning.contacts == 3
    assert set(warning.workflow_ids) == {one.workflow_id for one in world.sandbox.ledger.contacts}
    assert all(id_ in warning.getMessage() for id_ in warning.workflow_ids)


async def test_a_cancelled_run_whose_results_nobody_took_is_in_the_warning(caplog):
    async with open_world(workflow_s=30) as world:
        with anyio.move_on_after(5):
            await world.client.enrich(people(4))
    (warning,) = undelivered(caplog)
    assert (warning.contacts, len(warning.workflow_ids)) == (4, 1)


@pytest.mark.parametrize("way", ["enrich_one", "enrich"])
async def test_what_was_collected_is_not_in_the_warning(way, caplog):
    async with open_world(workflow_s=30) as world:
        if way == "enrich":
            with anyio.move_on_after(5):
                await world.client.enrich(people(4))
            left = list(world.client.abandoned)
        else:
            with pytest.raises(WaitTimeoutError) as late:
                await world.client.enrich_one(people(1)[0], deadline_s=5)
            left = [late.value.pending]
        assert not (await world.client.collect(left)).pending
    assert undelivered(caplog) == []


async def test_what_a_store_remembers_is_not_in_the_warning(caplog, tmp_path):
    async with open_world(workflow_s=30, store=tmp_path / "store.db") as world:
        with anyio.move_on_after(5):
            await world.client.enrich(people(4))
        assert {result.status for result in world.client.abandoned} == {"pending"}
    assert undelivered(caplog) == []


@pytest.mark.parametrize("is_drained", [True, False])
async def test_nothing_is_warned_of_when_every_caller_has_its_result(is_drained, caplog):
    async with open_world(workflow_s=2) as world, anyio.create_task_group() as group:
        group.start_soon(world.client.enrich_one, people(1)[0])
        await anyio.sleep(1 if is_drained else 30)
        await world.client.drain()
    assert undelivered(caplog) == []


def undelivered(caplog):
    return [record for record in caplog.records if getattr(record, "event", "") == "ContactsUndelivered"]


def waits_of(caplog):
    return [record.getMessage() for record in caplog.records if record.msg.startswith("waiting")]


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_long_wait_is_logged_when_it_begins_once_for_all_that_wait(caplog, tmp_path, is_shared):
    caplog.set_level(logging.INFO, "cleanlist_async")
    limits = RateLimits(org=6, key=5)
    limiter = sqlite_limiter(tmp_path / "limits.db", limits) if is_shared else None
    options = {"limiter": limiter, "rate_limits": None if is_shared else limits}
    async with (
        virtual_client(lambda request, number: BALANCE, **options) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(12):  # five at once, five a minute later, two another minute later
            group.start_soon(client.public.credits_balance)
        await anyio.sleep(1)
        (line,) = waits_of(caplog)
        assert line.startswith("waiting 60 s for a token of <key ")
    assert len(waits_of(caplog)) == 2


async def test_a_wait_for_the_organization_names_it(caplog):
    caplog.set_level(logging.INFO, "cleanlist_async")
    limits = RateLimits(org=1, key=5)
    async with virtual_client(
        lambda request, number: BALANCE, rate_limits=limits, organization="acme\nforged"
    ) as client:
        for _ in range(2):
            await client.public.credits_balance()
    (line,) = waits_of(caplog)
    assert line.startswith("waiting 60 s for a token of acme")
    assert "\n" not in line


@pytest.mark.slow
@pytest.mark.world(workflow_s=20)
async def test_the_waits_of_bulk_are_not_logged_when_they_begin(world, caplog):
    caplog.set_level(logging.INFO, "cleanlist_async")
    await world.client.enrich(people(9_000))
    assert waits_of(caplog) == []
