"""Cells that say nothing, and rows that are no contact, are counted and named, each once."""

from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.tables import ContactTable, EnrichedWriter
from tests.support.cases import each_case

APOSTROPHE = "\u2019"
HEAD = "First Name,Last Name,Company,LinkedIn URL\n"


def table_of(folder, text, name="in.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return ContactTable.open(path)


def read_twice(table):
    assert list(table.contacts()) == [row.contact for row in table.rows()]
    return list(table.contacts()), table.notes


def test_placeholders_are_blank_counted_and_reported(tmp_path):
    text = f"{HEAD}Ada,Love,Acme,N/A\nBo,Berg,Beta,\n,,nan,https://linkedin.com/in/cy\n#REF!,NULL,-,-\n"
    contacts, notes = read_twice(table_of(tmp_path, text))
    assert [contact.linkedin_url for contact in contacts] == [None, None, "https://linkedin.com/in/cy", None]
    assert contacts[2].company_name is None
    assert notes == ["3 rows (2, 4, 5) with placeholders (N/A, nan, -): read as blank"]


def test_a_linkedin_value_that_is_no_profile_is_reported_and_not_sent(tmp_path):
    text = (
        f"{HEAD}Ada,Love,Acme,https://www.linkedin.com/company/acme\n,,,ada@acme.example\n"
        + ",,,https://linkedin.com/in/cy\n" * 3
    )
    table = table_of(tmp_path, text)
    contacts, notes = read_twice(table)
    first, second, *_ = (prepare(index, contact) for index, contact in enumerate(contacts))
    assert isinstance(first, Prepared)
    assert first.sent.linkedin_url is None
    assert "linkedin_url is not the address" in second.reason
    assert notes == ["2 rows (2, 3) with a LinkedIn value that is not a person's profile: left out"]


def test_a_header_that_is_repeated_is_no_contact_and_is_kept(tmp_path):
    table = table_of(tmp_path, f"{HEAD}Ada,Love,Acme,\n{HEAD}Bo,Berg,Beta,\n")
    contacts, notes = read_twice(table)
    assert [contact.first_name for contact in contacts] == ["Ada", "Bo"]
    assert notes == ["1 row (3) repeating the header: kept, not taken for a contact"]
    with EnrichedWriter(tmp_path / "out.csv", table, ["cleanlist_status"]) as writer:
        writer.put(0, {"cleanlist_status": "found"})
        writer.put(1, {"cleanlist_status": "not_found"})
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines() == [
        f"{HEAD[:-1]},cleanlist_status",
        "Ada,Love,Acme,,found",
        f"{HEAD[:-1]},",
        "Bo,Berg,Beta,,not_found",
    ]
    again = ContactTable.open(tmp_path / "out.csv")
    assert [contact.first_name for contact in again.contacts()] == ["Ada", "Bo"]


@each_case("last", ["\x1a", "\x1a\r\n", " \x1a\n", "\n\x1a"])
def test_a_lone_ctrl_z_is_no_contact(last, tmp_path):
    contacts, _ = read_twice(table_of(tmp_path, f"{HEAD}Ada,Love,Acme,\n{last}"))
    assert [contact.first_name for contact in contacts] == ["Ada"]


def test_a_ctrl_z_ends_json_lines_too(tmp_path):
    lines = '{"first_name": "Ada", "last_name": "Love", "company_name": "N/A"}\n\x1a'
    contacts, notes = read_twice(table_of(tmp_path, lines, "in.jsonl"))
    assert [contact.company_name for contact in contacts] == [None]
    assert notes == ["1 row (1) with placeholders (N/A): read as blank"]


def test_mangled_names_are_named_with_what_they_probably_are_and_sent_as_they_are(tmp_path):
    text = f"{HEAD}JosÃ©,MÃ¼ller,Acme,\nJOÃO,Souza,SÃO PAULO S.A.,\nBo,Berg,Oâ€™Brien & SÃ¶hne,\n"
    contacts, notes = read_twice(table_of(tmp_path, text))
    assert [contact.first_name for contact in contacts] == ["JosÃ©", "JOÃO", "Bo"]
    (note,) = notes
    assert note.startswith(
        "2 rows (2, 4) with letters mangled by an earlier program (JosÃ© is probably José, "
    )
    assert note.endswith(f"Oâ€™Brien & SÃ¶hne is probably O{APOSTROPHE}Brien & Söhne): sent as they are")


def test_question_marks_in_names_are_named_and_sent_as_they_are(tmp_path):
    text = f"{HEAD}Anh,Nguy?n,Acme,\n?ukasz,Nowak,?ód? Design,\nBo,Berg,Who Cares?,\nCy,Day,M??ller & Co,\n"
    contacts, notes = read_twice(table_of(tmp_path, text))
    assert [contact.last_name for contact in contacts] == ["Nguy?n", "Nowak", "Berg", "Day"]
    assert notes == [
        (
            "3 rows (2, 3, 5) with question marks, probably for letters that an earlier program lost"
            " (Nguy?n, ?ukasz, ?ód? Design): sent as they are"
        )
    ]
