import json
import re

import anyio
import pytest

from cleanlist_async.cli.demo import HEADERS, mistakes_in, people, write_people
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableOptions
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.sandbox import Sandbox
from cleanlist_async.tables import ContactTable

SMALL = ("--contacts", "600", "--window-s", "0.6")


@pytest.mark.sockets
def test_the_demo_reaches_the_limit_keeps_it_and_checks_itself(cli):
    done = cli("demo", "--json", "--contacts", "5000", "--window-s", "4")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert answer["contacts"] == 5000
    assert answer["rejected_429"] == answer["mistakes"] == 0
    busiest = int(re.search(r"limit +(\d+) of 30", done.err)[1])
    assert 20 < busiest <= 30
    assert "Checked row by row" in done.err
    header, *rows = cli.read("demo.csv")
    assert tuple(header[: len(HEADERS)]) == HEADERS
    assert [tuple(row[: len(HEADERS)]) for row in rows] == list(people(5000))


@pytest.mark.sockets
def test_the_demo_needs_no_key_and_ignores_one(cli):
    cli.env |= {"CLEANLIST_BASE_URL": "http://127.0.0.1:9", "CLEANLIST_API_KEY": "clapi_x"}
    assert cli("demo", *SMALL).code == 0
    again = cli("demo", *SMALL)
    assert again.code == 1
    assert "already exists" in again.error
    assert cli("demo", *SMALL, "--overwrite", "--type", "full").code == 0


def test_the_people_are_varied_and_always_the_same(tmp_path):
    rows = list(people(2000))
    assert rows == list(people(2000))
    assert len({row[0] for row in rows}) == 2000
    write_people(str(tmp_path / "people.csv"), 2000)
    contacts = list(ContactTable.open(tmp_path / "people.csv").contacts())
    checked = [prepare(index, contact) for index, contact in enumerate(contacts)]
    valid = [contact for contact in checked if isinstance(contact, Prepared)]
    assert 5 < len(contacts) - len(valid) < 60
    assert 20 < len(valid) - len({contact.identity for contact in valid}) < 200
    assert sum(bool(c.linkedin_url) and not c.first_name for c in contacts) > 500
    assert sum(bool(c.company_domain) and not c.linkedin_url for c in contacts) > 200
    assert sum(bool(c.company_name) and not c.company_domain for c in contacts) > 100
    assert any(not (c.first_name or "").isascii() for c in contacts)


def test_the_check_of_the_demo_sees_a_wrong_row(tmp_path):
    """Its own control: what it says of a right file, and of one with a single wrong e-mail."""
    rows = [row for row in people(60) if row[5]][:3]
    path = tmp_path / "out.csv"
    columns = "cleanlist_status,cleanlist_email,cleanlist_phones,cleanlist_credits,cleanlist_workflow_id"

    def write(email_of_first):
        lines = [",".join((*HEADERS, columns))]
        for number, row in enumerate(rows):
            email = email_of_first if number == 0 and email_of_first else truths[number].email
            lines.append(",".join((*row[:6], "", "found", email, "", "1", "w")))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    async def check():
        async with Sandbox(workflow_s=0.0, hit_rate=1.0) as sandbox:
            import httpx

            contacts = [{"linkedin_url": row[5]} for row in rows]
            for contact, row in zip(contacts, rows, strict=True):
                names = {"first_name": row[1], "last_name": row[2], "company_name": row[3]}
                contact |= {name: value for name, value in names.items() if value}
                if row[4]:
                    contact["company_domain"] = row[4].removeprefix("https://www.").rstrip("/")
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.post(
                    f"{sandbox.base_url}/api/v1/public/enrich/bulk",
                    json={"contacts": contacts, "enrichment_type": "partial"},
                    headers={"Authorization": f"Bearer {sandbox.api_key}"},
                )
            truths[:] = [sandbox.expected(contact, "partial") for contact in contacts]
            found = []
            for wrong in (None, "somebody@else.example"):
                write(wrong)
                table = EnrichedTable.open(str(path), TableOptions())
                found.append(list(mistakes_in(table, sandbox, "partial")))
            return found

    truths = []
    right, wrong = anyio.run(check)
    assert right == []
    assert wrong == ["row 2 has another result than the server found"]
