import csv

import pytest

from cleanlist_async.tables import ContactTable, EnrichedWriter, TableError
from tests.support.cases import each_case

URL = "https://www.linkedin.com/in"
ADA = "First Name,Last Name,Company\nAda,Love,Acme\n"


def opened(folder, text, mapping=None, **options):
    path = folder / "contacts.csv"
    path.write_text(text, newline="")
    return ContactTable.open(path, mapping, **options)


ABOVE_THE_HEADER = {
    "a title": "My leads\n",
    "a title with delimiters": "My leads,,\n",
    "a title and a blank line": "My leads export\n\n",
    "a title, a date and who exported it": "My leads\n2026-11-30 10:00\nBy,ada@us.example\n,,\n",
    "a title over two lines": '"My leads,\nof this year"\n',
    "a group over some of the columns": "Contact,,Organization\n",
    "a separator and a title": "sep=,\nMy leads\n",
    "a title with a word of a header": "Company: Acme\n",
}


@each_case("name", ABOVE_THE_HEADER)
def test_the_header_is_found_below_what_stands_above_it(name, tmp_path):
    above = ABOVE_THE_HEADER[name]
    table = opened(tmp_path, above + "First Name,Last Name,Company,Email\nAda,Love,Acme,ada@acme.example\n")
    (row,) = table.rows()
    assert (row.contact.first_name, row.contact.company_name) == ("Ada", "Acme")
    assert any("above the column headers" in note for note in table.notes)
    lines = list(csv.reader(above.removeprefix("sep=,\n").splitlines(keepends=True)))
    assert row.number == len(lines) + 2
    out = tmp_path / "out.csv"
    EnrichedWriter(out, table).close()
    assert out.read_text().startswith(above)
    (again,) = ContactTable.open(out).rows()
    assert (again.number, again.contact) == (row.number, row.contact)


def test_the_header_of_a_single_column_is_found_below_a_title(tmp_path):
    (contact,) = opened(tmp_path, f"My leads\nLinkedIn URL\n{URL}/ada\n").contacts()
    assert contact.linkedin_url == f"{URL}/ada"


NO_TITLE = {
    "an unknown header above a value that is a known header": f"Wer,Wo\nFirma,{URL}/ada\n",
    "a header above one that repeats it": ADA + "First Name,Last Name,Company\nBo,Berg,Beta\n",
    "a header above words that are headers too": "First Name,Last Name,Company\nPage,Site,Business\n",
}


@each_case("name", NO_TITLE)
def test_a_header_is_not_taken_for_a_title(name, tmp_path):
    table = opened(tmp_path, NO_TITLE[name])
    assert ",".join(table.headers) == NO_TITLE[name].split("\n")[0]


@each_case("above", [f"Ada,Love,Acme,{URL}/ada", "Bo,Berg,Beta,bo@beta.example"])
def test_a_contact_above_a_header_is_not_lost_as_a_title(above, tmp_path):
    with pytest.raises(TableError, match="looks like a contact"):
        opened(tmp_path, f"{above}\nFirst Name,Last Name,Company,Email\nAda,Love,Acme,a@acme.example\n")


WITHOUT_HEADER = {
    "semicolons in a cell of every row": (
        f"{URL}/ada,red;green;blue\n{URL}/bo,big;small;tiny\n",
        [(f"{URL}/ada", "red;green;blue"), (f"{URL}/bo", "big;small;tiny")],
    ),
    "semicolons in a cell of some rows": (
        "Ada,Love,Acme; Ltd\nBo,Berg,Beta\n",
        [("Ada", "Love", "Acme; Ltd"), ("Bo", "Berg", "Beta")],
    ),
    "pipes in a cell": (
        "Ada;ada@acme.example;a|b|c\nBo;bo@beta.example;d|e|f\n",
        [("Ada", "ada@acme.example", "a|b|c"), ("Bo", "bo@beta.example", "d|e|f")],
    ),
    "commas in a cell": (
        "Love, Ada;ada@acme.example;Acme\nBerg, Bo;bo@beta.example;Beta\n",
        [("Love, Ada", "ada@acme.example", "Acme"), ("Berg, Bo", "bo@beta.example", "Beta")],
    ),
    "tabs": (
        "Ada\tLove\tAcme, Inc\nBo\tBerg\tBeta\n",
        [("Ada", "Love", "Acme, Inc"), ("Bo", "Berg", "Beta")],
    ),
}


@each_case("name", WITHOUT_HEADER)
def test_without_a_header_the_delimiter_gives_all_rows_one_width(name, tmp_path):
    text, rows = WITHOUT_HEADER[name]
    table = opened(
        tmp_path, text, {"key": "1", "first_name": "1"} if "linkedin" not in text else None, has_header=False
    )
    assert [row.cells for row in table.rows()] == rows
