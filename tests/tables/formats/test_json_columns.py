"""JSON keeps its types in Parquet and Arrow; what columns cannot hold exactly is text."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import python_calamine
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.tables import ContactTable, EnrichedWriter
from tests.support.cases import each_case

TEXT, WHOLE, NUMBER, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
LONG = 2**62


def column(folder, *literals: str, suffix: str = ".parquet") -> tuple[pa.DataType, list[object]]:
    """The type and the values of a column that holds these, as they stand in JSON lines."""
    lines = [f'{{"Email": "p{number}@acme.example", "X": {text}}}\n' for number, text in enumerate(literals)]
    (folder / "in.jsonl").write_text("".join(lines))
    with EnrichedWriter(folder / f"out{suffix}", ContactTable.open(folder / "in.jsonl")) as writer:
        for number in range(len(literals)):
            writer.put(number, {"cleanlist_status": "found"})
    read = pq.read_table if suffix == ".parquet" else lambda path: pa.ipc.open_file(path).read_all()
    table = read(folder / f"out{suffix}")
    assert table["cleanlist_status"].to_pylist() == ["found"] * len(literals)
    return table.schema.field("X").type, table["X"].to_pylist()


@each_case("suffix", [".parquet", ".arrow"])
@each_case(
    ("literals", "kind", "values"),
    [
        (("1", "null", "-20"), WHOLE, [1, None, -20]),
        ((str(LONG), "1"), WHOLE, [LONG, 1]),
        (("1.50", "-2e3", "7"), NUMBER, [1.5, -2000.0, 7.0]),
        (("0.10000000000000001", "0.1"), NUMBER, [0.1, 0.1]),
        (("true", "false", "null"), FLAG, [True, False, None]),
        (('"a"', '""', "null"), TEXT, ["a", "", None]),
        (("null", "null"), TEXT, [None, None]),
        (('["a", null]', "[]", "null"), pa.list_(TEXT), [["a", None], [], None]),
        (("[1]", "[2.5]"), pa.list_(NUMBER), [[1.0], [2.5]]),
        (("[]",), pa.list_(TEXT), [[]]),
        (('[1, "a"]',), pa.list_(TEXT), [["1", "a"]]),
        # What is not exact, or of several kinds, is text as it stood.
        ((str(2**63), "1"), TEXT, [str(2**63), "1"]),
        (("9" * 5000, "1"), TEXT, ["9" * 5000, "1"]),
        ((str(LONG), "1.5"), TEXT, [str(LONG), "1.5"]),
        (("0.12345678901234567890",), TEXT, ["0.12345678901234567890"]),
        (("1e400", "NaN", "1.50"), TEXT, ["1e400", "NaN", "1.50"]),
        (("1", '"01067"'), TEXT, ["1", "01067"]),
        (("true", "1"), TEXT, ["true", "1"]),
        (('{"a": 1.50}', "null"), TEXT, ['{"a": 1.50}', None]),
        (('[{"a": 1}]', "[1]"), TEXT, ['[{"a": 1}]', "[1]"]),
        (("[1]", "1"), TEXT, ["[1]", "1"]),
        (('"\\ud800a"',), TEXT, ["?a"]),
    ],
)
def test_a_column_has_the_type_of_its_values(tmp_path, suffix, literals, kind, values):
    assert column(tmp_path, *literals, suffix=suffix) == (kind, values)


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4)


@given(st.lists(SCALARS | st.lists(SCALARS, max_size=3), min_size=1, max_size=6))
def test_any_values_are_written_and_none_is_lost(tmp_path_factory, values):
    _, read = column(tmp_path_factory.mktemp("any"), *map(json.dumps, values))
    assert all(is_same(before, after) for before, after in zip(values, read, strict=True))


def is_same(before: object, after: object) -> bool:
    """Whether a value is as it was, or is text that says what it was."""
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(is_same, before, after))
    if isinstance(before, str) or not isinstance(after, str):
        return before == after
    return json.loads(after, parse_constant=str) == json.loads(json.dumps(before), parse_constant=str)


def test_an_array_of_objects_keeps_its_types_too(tmp_path):
    people = [
        {"Email": "a@acme.example", "Score": 1.5, "Tags": ["x"]},
        {"Email": "b@acme.example", "Won": True},
    ]
    (tmp_path / "in.json").write_text(json.dumps(people))
    with EnrichedWriter(tmp_path / "out.parquet", ContactTable.open(tmp_path / "in.json")):
        pass
    read = pq.read_table(tmp_path / "out.parquet").select(["Email", "Score", "Tags", "Won"])
    assert read.to_pylist() == [{"Score": None, "Tags": None, "Won": None, **person} for person in people]


@pytest.mark.parametrize("suffix", [".parquet", ".xlsx"])
def test_keys_that_come_late_are_columns_too(tmp_path, suffix):
    people = [{"Email": f"p{number}@acme.example"} for number in range(150)]
    people[-1] |= {"Late": "yes", "cleanlist_status": "mine"}
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(person) + "\n" for person in people))
    path = tmp_path / f"out{suffix}"
    with EnrichedWriter(path, ContactTable.open(tmp_path / "in.jsonl")) as writer:
        writer.put(149, {"cleanlist_status": "found"})
    if suffix == ".xlsx":
        header, *_, last = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
        row = dict(zip(header, last, strict=True))
    else:
        row = pq.read_table(path).to_pylist()[-1]
    assert (row["Late"], row["cleanlist_status"], row["cleanlist_status (2)"]) == ("yes", "mine", "found")
