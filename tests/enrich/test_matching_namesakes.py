"""A namesake's colleague: nobody is given the row of another who has the name and the employer."""

import anyio
import pytest

from cleanlist_async import Contact, WaitTimeoutError
from tests.support.clients import respond, virtual_client


def wei(number, **more):
    profile = f"https://linkedin.com/in/wei-wang-{number}"
    return Contact(first_name="Wei", last_name="Wang", company_name="Huawei", linkedin_url=profile, **more)


MINE, OTHERS = wei(1), wei(2)
PEOPLE = [Contact(first_name=f"P{n}", last_name=f"Q{n}", company_domain=f"c{n}.example") for n in range(4)]
CONTACTS = [MINE, OTHERS, *PEOPLE]
IDS = ["t_others", "t_mine", "t2", "t3", "t4", "t5"]
"""Not in the order of the contacts."""


def row(contact, task_id, email, carried):
    said = {
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "company": {"name": contact.company_name, "domain": contact.company_domain},
        "linkedin_url": contact.linkedin_url,
    }
    kept = {name: said[name] for name in carried}
    return {"task_id": task_id, "status": "completed", "primary_email": email, **kept}


class Server:
    """Six people, of whom some are late; a look-up by id tells no more than the workflow."""

    def __init__(self, carried, late, ids=IDS):
        self.late = late
        self.is_running = False
        self._ids = ids
        self._rows = [
            row(OTHERS, "t_others", "others@x.example", carried),
            row(MINE, "t_mine", "mine@x.example", carried),
            *(row(one, f"t{n}", f"p{n}@x.example", carried) for n, one in enumerate(PEOPLE, 2)),
        ]

    def __call__(self, request, _number):
        if request.method == "POST":
            return respond({"workflow_id": "wf_1", "task_ids": self._ids, "status": "pending"})
        if "task_id=" in request.target:
            return respond({"status": "processing"})
        if self.is_running:
            return respond({"workflow_id": "wf_1", "status": "processing"})
        rows = [one for one in self._rows if one["task_id"] in self._ids and one["task_id"] not in self.late]
        return respond({"workflow_id": "wf_1", "status": "completed", "results": rows})


NAMES = ["first_name", "last_name", "company"]


@pytest.mark.parametrize("carried", [[*NAMES, "linkedin_url"], NAMES], ids=["with profiles", "without"])
@pytest.mark.parametrize("late", [["t_mine"], ["t_others"], ["t_mine", "t_others"]], ids=str)
async def test_a_pending_contact_collected_later_never_gets_its_namesakes_row(carried, late):
    server = Server(carried, late)
    async with virtual_client(server) as client:
        report = await client.enrich(CONTACTS)
        collected = []
        for still_late in (late, [], late[:1]):
            server.late = still_late
            collected += (await client.collect(report.pending)).results
            for alone in report.pending:
                collected += (await client.collect([alone])).results
    for result in [*report.results, *collected]:
        if result.contact in {MINE, OTHERS} and result.email:
            assert result.email == ("mine@x.example" if result.contact == MINE else "others@x.example")
        assert result.status in {"found", "pending"}


async def test_a_late_contact_is_found_by_its_profile_once_it_is_there():
    server = Server([*NAMES, "linkedin_url"], ["t_mine"])
    async with virtual_client(server) as client:
        report = await client.enrich(CONTACTS)
        server.late = []
        pending = report.pending
        later = (await client.collect(report.pending)).results
    assert [(one.contact, one.task_id, one.raw) for one in pending] == [(MINE, None, None)]
    assert [one.email for one in later] == ["mine@x.example"]


async def test_the_rows_in_sight_are_not_taken_for_the_whole_workflow():
    """One row, and one contact to collect: but the row is the other's."""
    server = Server(NAMES, ["t_mine"], IDS[:2])
    async with virtual_client(server) as client:
        report = await client.enrich([MINE, OTHERS])
        (result,) = (await client.collect(report.pending[:1])).results
    assert (result.contact, result.status, result.email) == (MINE, "pending", None)


ACOAA = Contact(linkedin_url="https://linkedin.com/in/ACoAAB7xYz")
SPELLED = Contact(linkedin_url="https://linkedin.com/in/ada-lovelace-7b1")


def ada(task_id, email, **more):
    return row_of_ada | {"task_id": task_id, "primary_email": email, **more}


row_of_ada = {"status": "completed", "prospect": {"first_name": "Ada", "last_name": "Lovelace"}}


async def collected_alone(contacts, there, late, **options):
    """Enrich *contacts* while *late* rows are missing; then collect each pending contact on its own."""
    rows = list(there)

    def server(request, _number):
        if request.method == "POST":
            return respond({"workflow_id": "wf_1", "task_ids": ["t0", "t1"], "status": "pending"})
        if "task_id=" in request.target:
            return respond({"status": "processing"})
        return respond({"workflow_id": "wf_1", "status": "completed", "results": rows})

    async with virtual_client(server) as client:
        report = await client.enrich(contacts, **options)
        rows[:] = late
        return [(await client.collect([one])).results[0] for one in report.pending]


@pytest.mark.slow
@pytest.mark.parametrize("late", ["t_mine", "t_others"])
async def test_contacts_left_by_a_deadline_never_get_the_row_of_a_namesake_in_the_same_workflow(late):
    server = Server(NAMES, [late])
    server.is_running = True
    async with virtual_client(server) as client:
        report = await client.with_options(deadline_s=30).enrich(CONTACTS)
        server.is_running = False
        mine, others, *rest = [(await client.collect([one])).results[0] for one in report.pending]
    assert (mine.email, others.email) == (None, None)
    assert all(result.email for result in rest)


@pytest.mark.slow
async def test_a_contact_whose_caller_left_never_gets_the_row_of_a_namesake_in_the_same_workflow():
    server = Server(NAMES, ["t_mine"])
    server.is_running = True
    left = []

    async def ask(client, contact):
        try:
            await client.enrich_one(contact, deadline_s=30)
        except WaitTimeoutError as error:
            left.append(error.pending)

    async with virtual_client(server) as client:
        async with anyio.create_task_group() as callers:
            for contact in CONTACTS:
                callers.start_soon(ask, client, contact)
        server.is_running = False
        collected = [(await client.collect([one])).results[0] for one in left]
    results = {result.contact: result.email for result in collected}
    assert (results.pop(MINE), results.pop(OTHERS)) == (None, None)
    assert all(results.values())


@pytest.mark.parametrize("contacts", [[SPELLED, ACOAA], [ACOAA, SPELLED]], ids=["first", "last"])
async def test_a_name_that_an_address_spells_may_be_that_of_a_contact_known_by_its_id_only(contacts):
    """The row is that of the one with the id, who has the name, too; the other's is late."""
    place = f"t{contacts.index(SPELLED)}"
    results = await collected_alone(contacts, [], [ada(place, "acoaa@x.example")])
    assert [one.email for one in results] == [None, None]
