"""Contacts that the caller suppresses are never sent, by whatever door, and also on resume."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cleanlist_async import ConfigurationError, Contact
from cleanlist_async.types import Suppression, TableError
from tests.support.cases import each_case
from tests.support.virtual_sandbox import open_world, people

ADA = Contact(
    first_name="Ada",
    last_name="Love",
    company_domain="https://www.Mail.Acme.example/",
    email="Ada@Acme.example",
    linkedin_url="https://de.linkedin.com/in/Ada-L/?trk=1",
)
BO = Contact(first_name="Bo", last_name="Berg", company_domain="acme.example.org", email="bo@notacme.example")


def statuses(results):
    return [(result.status, result.error) for result in results if result.status == "invalid"]


@each_case(
    "entry",
    [
        *("ada@acme.example", " ADA@ACME.EXAMPLE\n", "acme.example", "@acme.example", "www.acme.example"),
        *("mail.acme.example", "linkedin.com/in/ada-l", "https://www.linkedin.com/in/ADA-L/"),
    ],
)
async def test_an_entry_covers_a_contact_in_any_spelling(world, entry):
    report = await world.client.enrich([ADA, BO], suppress=[entry])
    assert statuses(report.results) == [("invalid", "suppressed")]
    assert report.results[0].status == "invalid"
    assert b"Ada" not in b"".join(world.bodies)


@each_case("entry", ["example", "bad", "", 7, None, "ada love"])
async def test_an_entry_that_is_none_is_refused(world, entry):
    with pytest.raises(
        ConfigurationError, match="suppress must be of e-mail addresses, domains and LinkedIn"
    ):
        await world.client.enrich([BO], suppress=[entry])
    assert world.submits() == 0


async def test_a_file_holds_an_entry_a_line_or_a_table(world, tmp_path):
    file = tmp_path / "stop.csv"
    file.write_text('Name,E-Mail,Domain\n# old ones\nAda,"ada@acme.example",org\n\nacme.example.org\n')
    report = await world.client.enrich([ADA, BO, *people(1)], suppress=file)
    assert statuses(report.results) == [("invalid", "suppressed")] * 2


async def test_a_row_that_names_a_person_does_not_suppress_the_company(world, tmp_path):
    (tmp_path / "stop.csv").write_text("someone@acme.example.org,acme.example.org\n")
    report = await world.client.enrich([BO], suppress=str(tmp_path / "stop.csv"))
    assert statuses(report.results) == []


async def test_a_file_with_a_line_that_is_no_entry_is_refused(world, tmp_path):
    (tmp_path / "stop.txt").write_text("ada@acme.example\nacme\n")
    with pytest.raises(TableError, match=r"stop\.txt, row 2: holds no e-mail address"):
        await world.client.plan([BO], suppress=tmp_path / "stop.txt")
    with pytest.raises(ConfigurationError, match=r"there is no file 'acme\.example'"):
        await world.client.plan([BO], suppress="acme.example")
    with pytest.raises(ConfigurationError, match="there is no file"):
        await world.client.plan([BO], suppress="x" * 5_000)


@each_case("line", ["Grace Lovelace\n", "Grace Lovelace\nBo Berg\n", "Grace,Love\n"])
async def test_a_file_that_would_suppress_nobody_is_refused(world, tmp_path, line):
    (tmp_path / "stop.txt").write_text(line)
    with pytest.raises(TableError, match=r"stop\.txt, row [12]: holds no e-mail address"):
        await world.client.plan([BO], suppress=tmp_path / "stop.txt")


async def test_a_first_line_that_is_no_known_header_is_told(world, tmp_path, caplog):
    (tmp_path / "stop.txt").write_text("Grace Lovelace\nada@acme.example\n")
    assert (await world.client.plan([ADA, BO], suppress=tmp_path / "stop.txt")).invalid == 1
    assert "stop.txt, row 1: names nobody who is suppressed" in caplog.text
    assert "Lovelace" not in caplog.text
    caplog.clear()
    (tmp_path / "stop.txt").write_text("E-Mail\nada@acme.example\n")
    assert (await world.client.plan([ADA, BO], suppress=tmp_path / "stop.txt")).invalid == 1
    assert not caplog.text


async def test_a_table_of_names_and_companies_or_of_keys_names_people(world, tmp_path):
    file = tmp_path / "stop.csv"
    given = [ADA, BO, replace(BO, first_name="Cy", key="17"), replace(BO, first_name="Di", key="18")]
    file.write_text('First Name,Last Name,Company,Website\nBO,berg,,acme.example.org\n"Cy","Other",Acme,\n')
    assert (await world.client.plan(given, suppress=file)).invalid_contacts == [(1, "suppressed")]
    file.write_text("key\n17\n18\n")
    assert [n for n, _ in (await world.client.plan(given, suppress=file)).invalid_contacts] == [2, 3]
    file.write_text("Vorname;Nachname;Firma\nCy;;\n")
    with pytest.raises(TableError, match="row 2"):
        await world.client.plan(given, suppress=file)


async def test_a_function_decides(world):
    report = await world.client.enrich([ADA, BO], suppress=lambda contact: contact.first_name == "Bo")
    assert [result.error for result in report.results if result.status == "invalid"] == ["suppressed"]
    assert report.results[1].status == "invalid"


async def test_a_function_that_fails_lets_nothing_pass(world):
    def fails(contact):
        raise LookupError("the list is away")

    with pytest.raises(LookupError):
        await world.client.enrich([ADA, BO], suppress=fails)
    assert world.submits() == 0


async def test_a_plan_counts_what_is_suppressed_as_invalid(world):
    made = await world.client.plan([ADA, BO], suppress=["acme.example"])
    assert (made.unique, made.invalid_contacts) == (1, [(0, "suppressed")])


@pytest.mark.slow
@each_case("kind", ["journal", "store"])
async def test_a_job_keeps_back_what_is_suppressed_when_it_is_resumed(kind, tmp_path):
    store = tmp_path / "store.db" if kind == "store" else None
    name = "leads" if kind == "store" else tmp_path / "leads.journal"
    contacts = people(600)
    async with open_world(store=store) as world:
        async with await world.client.job(name, contacts, max_credits=250) as job:
            await job.run()
        sent = {contact for contact, _ in world.ledger.times_accepted().items()}
        stopped = [f"c{n}.example" for n in range(7)]
        async with await world.client.job(name, contacts, max_credits=10**6, suppress=stopped) as job:
            results = [result async for result in job]
        assert set(world.ledger.times_accepted()) == sent
        kept_back = [result for result in results if result.status == "invalid"]
        assert len(kept_back) == 600 - len(sent)
        assert {result.error for result in kept_back} == {"suppressed"}


# -- one contact at a time ---------------------------------------------------------------------------------


@each_case(
    "suppress", [["acme.example"], lambda contact: contact.first_name == "Ada", Suppression(["acme.example"])]
)
async def test_enrich_one_sends_no_suppressed_contact(world, suppress):
    result = await world.client.enrich_one(ADA, suppress=suppress)
    assert (result.status, result.error) == ("invalid", "suppressed")
    assert (await world.client.enrich_one(BO, suppress=suppress)).status != "invalid"
    assert b"Ada" not in b"".join(world.bodies)


async def test_a_suppression_is_read_once_for_all_calls(world, tmp_path):
    (tmp_path / "stop.txt").write_text("acme.example\n")
    suppress = Suppression(tmp_path / "stop.txt")
    calls = [world.client.enrich_one(ADA, suppress=suppress) for _ in range(20)]
    assert {result.error for result in await asyncio.gather(*calls)} == {"suppressed"}
    (tmp_path / "stop.txt").unlink()
    report = await world.client.enrich([ADA, BO], suppress=suppress)
    assert statuses(report.results) == [("invalid", "suppressed")]
    assert (await world.client.enrich_one(ADA, suppress=suppress)).error == "suppressed"


async def test_what_is_left_of_a_list_after_an_error_is_not_taken_for_the_list(world):
    suppress = Suppression(iter(["nobody", "acme.example"]))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="suppress must be of e-mail addresses"):
            await world.client.enrich_one(ADA, suppress=suppress)
    assert world.submits() == 0


async def test_a_person_who_is_suppressed_does_not_share_the_purchase_of_another_call(world):
    bought, kept_back = await asyncio.gather(
        world.client.enrich_one(ADA), world.client.enrich_one(ADA, suppress=["acme.example"])
    )
    assert (bought.status != "invalid", kept_back.error) == (True, "suppressed")
