from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.tables import ContactTable, EnrichedWriter

HEADER = '"First Name", "Last Name", "Company"'


def cells_of(folder, *lines, header=HEADER):
    path = folder / "contacts.csv"
    path.write_text("".join(f"{line}\n" for line in (header, *lines)), newline="")
    table = ContactTable.open(path)
    return table, [row.cells for row in table.rows()]


def test_spaces_before_quotes_go_and_those_of_bare_cells_stay(tmp_path):
    table, rows = cells_of(tmp_path, '"Ada",  Love , "Acme, Ltd"', ' Bo, "  Berg", ', '"a ""b""", "c\nd",e')
    assert rows == [("Ada", "  Love ", "Acme, Ltd"), (" Bo", "  Berg", " "), ('a "b"', "c\nd", "e")]
    EnrichedWriter(tmp_path / "out.csv", table).close()
    again = ContactTable.open(tmp_path / "out.csv")
    assert [row.cells[:3] for row in again.rows()] == rows
    assert table.notes == ["spaces before quotes are not part of the cells"]


def test_a_header_without_quotes_keeps_its_spaces_and_is_known(tmp_path):
    table, rows = cells_of(tmp_path, 'Ada,"Love",Acme', header='First Name, "Last Name", Company')
    assert table.headers == ("First Name", "Last Name", " Company")
    assert rows == [("Ada", "Love", "Acme")]
    assert next(table.contacts()).company_name == "Acme"


CELLS = st.text("ab ,\n\"'", max_size=6)


@given(st.lists(st.lists(st.tuples(CELLS, st.integers(0, 2)), min_size=3, max_size=3), max_size=5))
def test_quoted_cells_are_read_whatever_spaces_stand_before_them(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("spaced")
    quoted = [
        ",".join(" " * spaces + '"' + cell.replace('"', '""') + '"' for cell, spaces in row) for row in rows
    ]
    _, read = cells_of(folder, *quoted, '"z", "z", "z"')
    given_cells = [tuple(cell for cell, _ in row) for row in rows]
    assert read[:-1] == [row for row in given_cells if any(cell.strip() for cell in row)]
