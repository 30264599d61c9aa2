"""One file through both doors, a job's and an import's: the same contacts, or the same refusal."""

import base64
import csv
import io
import json
from pathlib import Path

import pytest

from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.texts import folded, profile
from cleanlist_async.tables import ContactTable, TableError
from cleanlist_async.tables.import_table import ImportTable
from cleanlist_async.testing import run
from tests.support.examples import some
from tests.support.modern_world import list_of, modern_world
from tests.tables.awkward_files import READABLE, REFUSED

CASES = Path(__file__).with_name("cases")
EMPTY = "has no contacts"

DIFFERENT = {
    # An import takes a file of any name for CSV, as it always did.
    "extension",
    "no-extension",
    # An import has no field "key".
    "unknown-headers-key-mapped",
    # A row of 1 MiB is a contact, though none that may be sent, but never a part of 150 KB.
    "largest-cell",
}
"""Awkward files for which the doors differ on purpose."""


def through_a_job(path, options):
    """The contacts that a job reads from a file, or why it refuses it."""
    try:
        contacts = list(ContactTable.open(path, **options).contacts())
    except TableError as error:
        return str(error), error.row, error.column
    return [tuple(getattr(contact, name) or "" for name in API_FIELDS) for contact in contacts]


async def through_an_import(world, list_id, path, options):
    """The contacts that an import sends of a file, or why it refuses it."""
    before = len(world.bodies)
    mapping, options = options.get("mapping"), {name: options[name] for name in options if name in READING}
    try:
        if mapping:  # as the command line completes it
            mapping = ImportTable.open(path, mapping, guess=True, **options).mapping
        await world.client.lead_lists.import_csv(list_id, path, column_mapping=mapping, **options)
    except TableError as error:
        return [] if EMPTY in str(error) else (str(error), error.row, error.column)
    return [contact for body in world.bodies[before:] for contact in contacts_in(json.loads(body))]


READING = ("encoding", "delimiter", "has_header")


def contacts_in(body):
    content = base64.b64decode(body["csv_content_base64"]).decode("utf-8")
    header, *rows = csv.reader(io.StringIO(content, newline=""), strict=True)
    mapping = {name: header.index(column) for name, column in body["column_mapping"].items()}
    assert all(len(row) == len(header) for row in rows)
    return [tuple(row[mapping[name]] if name in mapping else "" for name in API_FIELDS) for row in rows]


def sendable(contacts):
    """Leave out what an import does not send: blank contacts, and those that repeat an earlier one."""
    if isinstance(contacts, tuple):
        return contacts
    kept, seen = [], set()
    for contact in contacts:
        fields = dict(zip(API_FIELDS, contact, strict=True))
        keys = {("email", folded(fields["email"])), ("linkedin_url", profile(fields["linkedin_url"]))}
        keys = {key for key in keys if key[1]} or {("name", folded("\n".join(contact)))}
        if any(contact) and not keys & seen:
            kept.append(contact)
            seen |= keys
    return kept


def compare(files):
    """Send each of *files*, name to (path, options), through both doors. Returns what came of each."""

    given, differences = {}, {}

    async def main():
        async with modern_world() as world:
            list_id = await list_of(world, 0)
            for name, (path, options) in files.items():
                expected = sendable(through_a_job(path, options))
                imported = await through_an_import(world, list_id, path, options)
                if imported != expected:
                    differences[name] = (expected, imported)
                given[name] = expected

    run(main())
    return given, differences


def awkward_files(folder):
    """Write the awkward files into *folder*: name to (path, options)."""
    files = {}
    for number, case in enumerate(some([*READABLE, *REFUSED])):
        path = folder / f"{number}{case.extension}"
        path.write_bytes(case.data)
        files[case.name] = path, case.options
    return files


def cases():
    return {path.name: (path, {}) for path in sorted(CASES.iterdir())}


@pytest.mark.scaled
def test_an_import_sends_of_every_awkward_file_what_a_job_reads(tmp_path):
    files = awkward_files(tmp_path)
    _, differences = compare(files)
    assert differences.keys() == DIFFERENT & files.keys()


def test_every_case_gives_the_same_through_both_doors_and_what_the_table_says():
    given, differences = compare(cases())
    assert differences == {}
    assert {name: shown(what) for name, what in given.items()} == RIGHT


def test_a_file_given_as_bytes_is_read_as_the_file_is():
    for path in sorted(CASES.glob("*.csv")):
        from_path, from_bytes = (_rows_of(given) for given in (path, path.read_bytes()))
        assert from_path == from_bytes, path.name


def _rows_of(given):
    try:
        table = ImportTable.open(given, {}, guess=True)
        return table.mapping, list(table.rows())
    except TableError as error:
        return error.row, error.column


def shown(given):
    """The contacts without their blank fields, or the place of the fault: the first three are enough."""
    if isinstance(given, tuple):
        return given[1:]
    return [" | ".join(filter(None, contact)) for contact in given[:3]]


RIGHT = {
    "blank_commas.csv": ["Ada | Love | Acme", "Bo | Berg | Beta"],
    "cyrillic_cp1251.csv": (2, "First Name"),
    "danish.csv": ["Søren | Ø | Eks"],
    "email_only.csv": ["Ada | Love | ada@acme.example", "Bo | Berg | bo@gmail.com"],
    "import_cp1252.csv": (2, "First Name"),
    "import_linkedin_notes.csv": ["https://www.linkedin.com/in/ada-l | Ada | Love | Engine"],
    "import_semicolon_commas_in_header.csv": ["Jörg | Groß | j@alt.example"],
    "import_sep_line.csv": ["Ada | Love | Engine"],
    "import_space_before_quote.csv": ["Ada | Love | a@x.example"],
    "import_utf16.csv": ["Zoë | Brontë | Größe"],
    "linkedin_shapes.csv": [
        "https://www.linkedin.com/in/ada-love",
        "https://www.linkedin.com/in/%E5%B1%B1%E7%94%B0-1a2",
        "https://www.linkedin.com/sales/lead/ACwAAA1",
    ],
    "linkedin_spellings.csv": ["https://www.linkedin.com/in/ada-l"],
    "look_alikes.csv": ["Bo | Berg | Beta", "Bo | Berg | Beta | bo@beta.example", "Cy | Dahl | Gamma"],
    "name_surname.csv": ["Ada | Love | Acme"],
    "nfc_nfd.csv": ["Jose\u0301 | García | Acme"],
    "no_header_semicolons.csv": (1, None),
    "nul.jsonl": ["Ada | Love | Acme", "Bo | Berg", "Cy"],
    "one_latin1_cell.csv": (6, "First Name"),
    "one_torn_letter.csv": (302, "First Name"),
    "placeholder_linkedin.csv": ["https://www.linkedin.com/in/ada", "Bo | Berg | Beta"],
    "placeholders.csv": ["Ada | Love | Engine", "Bob | Stone | Rock", "Dee | Dee | Lab"],
    "report_footer.csv": ["Ada | Love | Acme"],
    "title_row.csv": ["Ada | Love | Acme"],
}
"""What each case gives: contacts, or the row (as a spreadsheet counts) and the column that are refused."""
