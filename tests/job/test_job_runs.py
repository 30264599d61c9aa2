"""The same call resumes: after every pause, and never with other contacts or another order."""

import csv
from dataclasses import replace

import anyio
import pytest

from cleanlist_async import (
    APIConnectionError,
    AuthenticationError,
    ConfigurationError,
    Contact,
    InputChangedError,
    InsufficientCreditsError,
    JournalError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from cleanlist_async.sandbox import Fault
from tests.job.worlds import CHECK, STATUS, SUBMIT, Bench, edit, open_world, people, query, states
from tests.support.cases import each_case
from tests.support.examples import some

SHORT = {
    "error": {
        "code": "insufficient_credits",
        "problem": "This call requires 55 credits; organization has 15.",
        "retryable": False,
        "estimated_cost_credits": 55,
        "available_credits": 15,
        "shortfall_credits": 40,
    }
}
PAUSES = [
    (Fault(SUBMIT, status=402, nth=2), InsufficientCreditsError, None),
    (Fault(SUBMIT, status=400, body=SHORT, nth=2), InsufficientCreditsError, 40),
    (Fault(SUBMIT, status=401, nth=2), AuthenticationError, None),
    (Fault(SUBMIT, status=403, nth=2), PermissionDeniedError, None),
]


@pytest.mark.parametrize(("fault", "error", "shortfall"), PAUSES)
async def test_a_paused_job_says_why_and_goes_on_where_it_was(world, fault, error, shortfall, tmp_path):
    bench = Bench(world, tmp_path, people(20))
    world.sandbox.add_fault(fault)
    report = await bench.run()
    assert isinstance(report.stopped_by, error)
    assert (report.status.state, report.status.shortfall_credits) == ("paused", shortfall)
    async with await bench.open() as job:
        assert (await job.status()).state == "paused"
        assert (await job.status()).shortfall_credits == shortfall
    done = await bench.run()
    assert (done.stopped_by, done.status.state, done.status.paused_by) == (None, "complete", None)
    assert world.submits() == 5
    bench.check(unknown_at_most=0)


async def test_an_outage_pauses_after_three_chunks_and_holds_what_may_have_been_accepted(world, tmp_path):
    bench = Bench(world, tmp_path, people(40))
    world.sandbox.add_fault(Fault(SUBMIT, status=503, nth=2, times=1e9))
    report = await bench.run()
    assert report.stopped_by is not None
    assert states(bench.path) == ["done", *["unknown"] * 3, *["planned"] * 4]
    world.sandbox.clear_faults()
    report = await bench.run()
    assert states(bench.path) == ["done", *["unknown"] * 3, *["done"] * 4]
    assert report.status.state == "complete_with_unknown"
    bench.check(unknown_at_most=3)


async def test_an_outage_of_the_status_loses_nothing(world, tmp_path):
    bench = Bench(world, tmp_path, people(10))
    world.sandbox.add_fault(Fault(STATUS, status=503, times=1e9))
    report = await bench.run()
    assert report.stopped_by is not None
    assert set(states(bench.path)) == {"accepted"}
    world.sandbox.clear_faults()
    submits = world.submits()
    assert (await bench.run()).status.state == "complete"
    assert world.submits() == submits
    bench.check(unknown_at_most=0)


@pytest.mark.parametrize("lasts_s", [600, 1_800])
async def test_a_job_outlasts_an_outage_of_ten_minutes_and_gives_up_after_fifteen(world, tmp_path, lasts_s):
    bench = Bench(world, tmp_path, people(40))
    for path, nth in ((SUBMIT, 3), (CHECK, 1), (STATUS, 1)):
        world.sandbox.add_fault(Fault(path, status=503, nth=nth, times=1e9))

    async with anyio.create_task_group() as group:
        group.start_soon(end_faults, world, lasts_s)
        report = await bench.run()
        group.cancel_scope.cancel()

    if lasts_s == 600:
        assert report.stopped_by is None
        assert sorted(states(bench.path)) == [*["done"] * 7, "unknown"]
    else:
        assert isinstance(report.stopped_by, APIConnectionError | ServiceUnavailableError)
        assert world.submits() == 3
    bench.check(unknown_at_most=1)


async def end_faults(world, after_s):
    await anyio.sleep(after_s)
    world.sandbox.clear_faults()


async def test_a_job_that_is_done_asks_for_nothing(world, tmp_path):
    bench = Bench(world, tmp_path, people(20))
    first = await bench.results()
    requests = len(world.ledger.requests)
    again = await bench.results()
    assert len(world.ledger.requests) == requests
    key = lambda result: result.index  # noqa: E731
    assert [(r.index, r.status, r.email, r.credits) for r in sorted(again, key=key)] == [
        (r.index, r.status, r.email, r.credits) for r in sorted(first, key=key)
    ]


@pytest.mark.slow
async def test_a_workflow_the_server_has_forgotten_is_not_bought_again(world, tmp_path):
    bench = Bench(world, tmp_path, people(10))
    world.sandbox.add_fault(Fault(STATUS, status=404, times=1e9))
    report = await bench.run()
    assert set(states(bench.path)) == {"remote_expired"}
    assert (report.stopped_by, report.status.state) == (None, "complete_with_unknown")
    assert (await bench.run()).status.state == "complete_with_unknown"
    assert world.submits() == 2
    assert {r.status for r in await bench.results()} == {"pending"}
    async with await bench.open() as job:
        for chunk in (1, 2):
            await job.resolve(chunk, abandon=True)
        assert await job.verify() == []
    assert states(bench.path) == ["abandoned", "abandoned"]
    assert (await bench.run()).status.state == "complete"
    assert world.submits() == 2


# -- changed input ---------------------------------------------------------------------------------


def _file(path, contacts):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["First Name", "Last Name", "Website", "Note"])
        writer.writerows([c.first_name, c.last_name, c.company_domain, "n"] for c in contacts)
    return path


FILE_CHANGES = {
    "one byte of a name": lambda text: text.replace("Ada7", "Adb7"),
    "a row more": lambda text: text + "Eve,Hill,e.example,n\r\n",
    "a row less": lambda text: text[: text.rindex("Ada11")],
    "another order": lambda text: text.replace("Ada3,", "*").replace("Ada4,", "Ada3,").replace("*", "Ada4,"),
}
SAME_CONTACTS = {
    "one byte beside the contacts": lambda text: text.replace(",n\r\n", ",m\r\n", 1),
    "other line ends": lambda text: text.replace("\r\n", "\n"),
}


@pytest.mark.scaled
@each_case("change", some(FILE_CHANGES))
async def test_a_file_whose_contacts_changed_is_refused(change, tmp_path):
    async with open_world() as world:
        path = _file(tmp_path / "in.csv", people(12))
        bench = Bench(world, tmp_path, path)
        world.sandbox.add_fault(Fault(SUBMIT, status=402, nth=2))
        await bench.run()
        requests = len(world.ledger.requests)
        before = path.read_bytes()
        path.write_bytes(FILE_CHANGES[change](before.decode()).encode())
        assert path.read_bytes() != before
        with pytest.raises(InputChangedError):
            await bench.open()
        assert len(world.ledger.requests) == requests
        path.write_bytes(before)
        assert (await bench.run()).status.state == "complete"


@pytest.mark.scaled
@each_case("change", some(SAME_CONTACTS))
async def test_a_job_goes_on_with_a_file_that_changed_beside_its_contacts(change, tmp_path):
    async with open_world() as world:
        path = _file(tmp_path / "in.csv", people(12))
        bench = Bench(world, tmp_path, path)
        world.sandbox.add_fault(Fault(SUBMIT, status=402, nth=2))
        await bench.run()
        path.write_bytes(SAME_CONTACTS[change](path.read_bytes().decode()).encode())
        assert (await bench.run()).status.state == "complete"
        assert len(world.ledger.contacts) == 12
        assert not world.ledger.duplicates()


def _swap(contacts):
    return [contacts[1], contacts[0], *contacts[2:]]


LIST_CHANGES = {
    "one more": lambda contacts: [*contacts, *people(1, 99)],
    "one less": lambda contacts: contacts[:-1],
    "one less in the middle": lambda contacts: contacts[:5] + contacts[6:],
    "another order": _swap,
    "one letter": lambda contacts: [*contacts[:7], replace(contacts[7], last_name="X"), *contacts[8:]],
    "another key": lambda contacts: [*contacts[:7], replace(contacts[7], key="x"), *contacts[8:]],
    "one becomes invalid": lambda contacts: [*contacts[:7], Contact(first_name="A"), *contacts[8:]],
    "one becomes a duplicate": lambda contacts: [*contacts[:7], contacts[0], *contacts[8:]],
    "nobody": lambda _contacts: [],
}


@pytest.mark.slow
@each_case("change", LIST_CHANGES)
async def test_a_list_must_have_the_same_contacts_in_their_order(change, tmp_path):
    async with open_world() as world:
        bench = Bench(world, tmp_path, people(12))
        await (await bench.open()).aclose()
        bench.contacts = LIST_CHANGES[change](people(12))
        with pytest.raises(InputChangedError, match="contact"):
            await bench.open()
        assert not world.ledger.requests


async def test_a_changed_duplicate_or_invalid_contact_is_noticed(world, tmp_path):
    given = [*people(4), people(1)[0], Contact(first_name="Only")]
    bench = Bench(world, tmp_path, given)
    await (await bench.open()).aclose()
    for place, other in ((4, people(1, 1)[0]), (4, people(1, 77)[0]), (5, people(1, 88)[0])):
        bench.contacts = [*given]
        bench.contacts[place] = other
        with pytest.raises(InputChangedError):
            await bench.open()


@pytest.mark.parametrize(
    "other",
    [
        {"enrichment_type": "full"},
        {"submit_mode": "exact"},
        {"webhook_url": "https://hooks.example/h"},
        {"half_full_price": "each"},
    ],
)
async def test_a_job_is_resumed_only_with_the_options_it_was_begun_with(world, other, tmp_path):
    bench = Bench(world, tmp_path, people(3))
    await (await bench.open()).aclose()
    with pytest.raises(InputChangedError, match=r"enrichment_type|submit_mode|half_full_price"):
        await bench.open(**other)


async def test_another_server_is_another_job(world, tmp_path):
    bench = Bench(world, tmp_path, people(3))
    job = await bench.open()
    await job.aclose()
    edit(bench.path, "UPDATE job SET origin = 'api.cleanlist.ai'")
    with pytest.raises(InputChangedError, match="base_url"):
        await bench.open()


async def test_a_journal_of_another_version_or_kind_is_refused(world, tmp_path):
    import sqlite3

    bench = Bench(world, tmp_path, people(3))
    await (await bench.open()).aclose()
    for pragma, words in (("user_version = 99", "version 99"), ("application_id = 5", "not the journal")):
        db = sqlite3.connect(bench.path)
        db.execute(f"PRAGMA {pragma}")
        db.close()
        with pytest.raises(JournalError, match=words):
            await bench.open()
    bench.path.write_text("not a database, but long enough to look at " * 40)
    with pytest.raises(JournalError):
        await bench.open()
    assert bench.path.read_text().startswith("not a database")


async def test_results_come_in_every_run_and_an_iteration_left_early_goes_on(world, tmp_path):
    contacts = [*people(20), people(1)[0], Contact(first_name="Only")]
    bench = Bench(world, tmp_path, contacts)
    seen = []
    async with await bench.open() as job:
        async for result in job:
            seen.append(result.index)
            if len(seen) == 3:
                break
    async with await bench.open() as job:
        async for result in job:
            seen.append(result.index)
            if len(seen) == 9:
                break
        rest = [result.index async for result in job]
    assert sorted(rest) == list(range(22))
    assert sorted(result.index for result in await bench.results()) == list(range(22))
    bench.check(unknown_at_most=0)
    assert not query(bench.path, "SELECT 1 FROM chunks WHERE state != 'done'")


@pytest.mark.slow
@each_case("key", [0, 7])
async def test_a_whole_number_as_key_becomes_text(key, tmp_path):
    async with open_world() as world:
        given = [{"linkedin_url": f"https://linkedin.com/in/p{i}", "key": key} for i in range(6)]
        bench = Bench(world, tmp_path, given)
        await bench.run(max_credits=1)
        bench.contacts = [*given[:5], {**given[5], "key": "another"}]
        with pytest.raises(InputChangedError):
            await bench.open()
        bench.contacts = given
        assert {result.key for result in await bench.results()} == {str(key)}


@each_case("key", [7.5, b"seven", ("a", 7)])
async def test_a_key_that_is_no_text_is_refused_before_anything_is_sent(key, tmp_path):
    async with open_world() as world:
        given = [{"linkedin_url": f"https://linkedin.com/in/p{i}", "key": key} for i in range(6)]
        with pytest.raises(ConfigurationError, match="key must be text"):
            await Bench(world, tmp_path, given).open()
        assert not world.ledger.contacts
