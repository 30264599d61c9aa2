"""One row, in either shape, with anything missing or odd."""

from __future__ import annotations

from cleanlist_async.api.models.rows import EnrichmentRow
from tests.support.cases import each_case


def row(**raw: object) -> EnrichmentRow:
    return EnrichmentRow(raw)  # type: ignore[arg-type]


def test_an_empty_row() -> None:
    empty = row()
    assert (empty.task_id, empty.email, empty.phones, empty.status) == (None, None, (), "")
    assert empty.is_final
    assert not empty.has_findings
    assert not empty.failed


@each_case(
    ("raw", "email"),
    [
        ({"primary_email": "a@b.c"}, "a@b.c"),
        ({"email": "a@b.c"}, "a@b.c"),
        ({"result": {"email": "a@b.c"}}, "a@b.c"),
        ({"result": {"primary_email": "a@b.c"}}, "a@b.c"),
        ({"result": {"email": "a@b.c"}, "email": "asked@x.y"}, "a@b.c"),
        ({"primary_email": None, "email": "asked@x.y"}, None),
        ({"primary_email": "a@b.c", "email": "asked@x.y"}, "a@b.c"),
        ({"result": {"email": None}, "email": "asked@x.y"}, None),
        ({"result": {"email": ""}}, None),
        ({"result": {"email": ["a@b.c"]}}, None),
        ({"input": {"email": "asked@x.y"}}, None),
        ({"contact": {"email": "asked@x.y"}}, None),
    ],
)
def test_the_found_address_is_never_the_one_that_was_asked_with(
    raw: dict[str, object], email: str | None
) -> None:
    assert row(**raw).email == email


@each_case(
    ("raw", "phones"),
    [
        ({"personal_phone_numbers": ["+1", "+2"]}, ("+1", "+2")),
        (
            {"result": {"phones": [{"number": "+1"}, {"phone": "+2"}, {"value": 3}, {}, None, ""]}},
            ("+1", "+2", "3"),
        ),
        ({"phone": "+1"}, ("+1",)),
        ({"phones": [], "personal_phone_numbers": ["+1"]}, ("+1",)),
        ({"phones": {"number": "+1"}}, ("+1",)),
        ({"phones": None}, ()),
        ({"phones": 5}, ()),
    ],
)
def test_phones_of_a_row_in_any_form(raw: dict[str, object], phones: tuple[str, ...]) -> None:
    found = row(**raw)
    assert found.phones == phones
    assert found.has_findings is bool(phones)


def test_a_row_names_its_person() -> None:
    found = row(
        prospect={"first_name": "A", "last_name": "B", "full_name": "A B", "linkedin_url": "in/a"},
        company={"name": "C", "domain": "c.d"},
    )
    assert (found.first_name, found.last_name, found.full_name, found.linkedin_url) == (
        "A",
        "B",
        "A B",
        "in/a",
    )
    assert (found.company_name, found.company_domain) == ("C", "c.d")
    assert row(result={"company": "C", "domain": "c.d"}).company_name == "C"
    assert row(result={"x": 1}, company={"domain": "c.d"}).company_domain == "c.d"


@each_case(
    ("raw", "status", "final", "failed"),
    [
        ({"status": "completed"}, "completed", True, False),
        ({"status": "processing"}, "processing", False, False),
        ({"status": "failed"}, "failed", True, True),
        ({"result": {"status": "success"}}, "success", True, False),
        ({"status": None}, "", True, False),
    ],
)
def test_the_status_of_a_row(raw: dict[str, object], status: str, final: bool, failed: bool) -> None:  # noqa: FBT001
    found = row(**raw)
    assert (found.status, found.is_final, found.failed) == (status, final, failed)


@each_case(
    ("raw", "credits"),
    [
        ({"credits_charged": 1.5}, 1.5),
        ({"result": {"credits_charged": 1}}, 1),
        ({"credits_charged": True}, None),
        ({"credits_charged": "1"}, None),
        ({}, None),
    ],
)
def test_credits_only_where_the_server_says_them(raw: dict[str, object], credits: float | None) -> None:  # noqa: A002
    assert row(**raw).credits_charged == credits


def test_contact_data_is_not_in_its_repr() -> None:
    found = row(input={"email": "CANARY"}, other="CANARY")
    assert "CANARY" not in repr(found)
    assert found.raw["other"] == "CANARY"


def test_it_reads_otherwise_where_we_know_better_and_keeps_the_servers_own() -> None:
    found = row(task_id="t1", email="a@b.c")
    other = found.but(task_id="t2", email=None)
    assert (other.task_id, other.email, other.raw) == ("t2", None, found.raw)
    assert other != found == row(task_id="t1", email="a@b.c")
