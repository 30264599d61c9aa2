from __future__ import annotations

import csv
import io
import json
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async.tables import ENRICHMENT_COLUMNS, ContactTable, EnrichedWriter, TableError
from cleanlist_async.tables.rendering import phones_without_formula, without_formula
from tests.support.examples import examples

WIDTH = len(ENRICHMENT_COLUMNS)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16-le", "utf-16"]

cells = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.text(st.sampled_from("\",;\t|\r\n' =+-@ax\ufeff\u2028\x0b"), max_size=8),
)
tables = st.lists(st.lists(cells, min_size=1, max_size=6), max_size=8)
layouts = st.tuples(
    st.sampled_from(",;\t|"),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(ENCODINGS),
)


def rendered(rows, delimiter, end, quoting):
    lines = []
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n", quoting=quoting).writerow(row)
        lines.append(buffer.getvalue()[:-2] + end)
    return "".join(lines)


@settings(max_examples=examples(300))
@given(st.lists(cells, max_size=3), tables, layouts, st.randoms(use_true_random=False))
def test_rows_in_are_rows_out_and_original_cells_are_equal(extra_headers, rows, layout, rng):
    delimiter, end, quoting, encoding = layout
    headers = ["Email", "LinkedIn URL", *extra_headers]
    width = len(headers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, target = folder / "in.csv", folder / "out.csv"
        rows = [["ada@engine.example"], *rows]  # a column without a single e-mail address may not be mapped
        source.write_bytes(rendered([headers, *rows], delimiter, end, quoting).encode(encoding))
        options = {"delimiter": delimiter, "encoding": encoding}
        table = ContactTable.open(source, {"email": "Email"}, **options)
        records = list(table.source.records())
        before = [record.cells for record in records if record.is_contact]
        padded = [(*row, *[""] * (width - len(row))) for row in rows]
        for record, row, full in zip(records, rows, padded, strict=True):
            assert record.cells == (full if record.is_contact else tuple(row))
        order = list(range(len(before)))
        rng.shuffle(order)
        with EnrichedWriter(target, table) as writer:
            for index in order[: rng.randint(0, len(order))]:
                writer.put(index, dict.fromkeys(ENRICHMENT_COLUMNS, f"r{index}"))
                if rng.random() < 0.2:
                    writer.flush_partial()
        again = ContactTable.open(target, {"email": "Email"}, **options)
        after = list(again.rows())
        assert [row.cells[:width] + row.cells[width + WIDTH :] for row in after] == before
        assert all(set(row.cells[width : width + WIDTH]) <= {"", f"r{row.index}"} for row in after)
        assert again.source.raw_headers[:width] == tuple(headers)
        assert again.source.file.encoding == table.source.file.encoding


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(150))
@given(st.lists(st.dictionaries(st.text(max_size=6), json_values, max_size=4), max_size=8), st.booleans())
def test_json_objects_keep_every_byte(objects, ascii_only):
    given_lines = [json.dumps({"email": "a@b.co", **item}, ensure_ascii=ascii_only) for item in objects]
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "in.jsonl"), Path(name, "out.jsonl")
        source.write_text("\n".join(['{"email": "x@y.co"}', *given_lines]), encoding="utf-8")
        with EnrichedWriter(target, ContactTable.open(source)) as writer:
            writer.put(0, {"cleanlist_status": "found"})
        _, *written = target.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        assert len(written) == len(given_lines)
        assert all(got.startswith(line[:-1]) for got, line in zip(written, given_lines, strict=True))


@settings(max_examples=examples(400))
@given(st.binary(max_size=200), st.sampled_from(["in.csv", "in.tsv", "in.jsonl"]), st.booleans())
def test_any_bytes_are_read_or_refused_with_one_error(data, file_name, has_header):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, file_name)
        path.write_bytes(b"Email,Company\n" + data if file_name.endswith("csv") else data)
        try:
            list(ContactTable.open(path, has_header=has_header).rows())
        except TableError as error:
            assert len(str(error).splitlines()) == 1


@settings(max_examples=examples(400))
@given(st.text(max_size=20) | st.from_regex(r"[+=@-]?[0-9x ().;+=-]{0,12}", fullmatch=True))
def test_a_guarded_cell_never_leads_with_a_formula_sign(value):
    assert without_formula(value)[:1] not in set("=+-@\t\r\n\0")
    assert without_formula(value).removeprefix("'") == value.removeprefix("'")
    phone = phones_without_formula(value)
    assert phone[:1] not in set("=-@\t\r\n\0")
    assert phone[:1] != "+" or set(phone) <= set("+0123456789 ().;x-")


@pytest.mark.slow
@pytest.mark.parametrize("extension", ["csv", "jsonl"])
def test_memory_stays_flat(extension, tmp_path):
    def peak(rows: int) -> int:
        source, target = tmp_path / f"in{rows}.{extension}", tmp_path / f"out{rows}.{extension}"
        with source.open("w") as stream:
            if extension == "csv":
                stream.write("Email,LinkedIn URL,Note\n")
                stream.writelines(
                    f"p{n}@acme.com,https://linkedin.com/in/p{n},{'x' * 60}\n" for n in range(rows)
                )
            else:
                stream.writelines(
                    f'{{"email": "p{n}@acme.com", "note": "{"x" * 60}"}}\n' for n in range(rows)
                )
        tracemalloc.start()
        try:
            table = ContactTable.open(source)
            with EnrichedWriter(target, table) as writer:
                for row in table.rows():
                    writer.put(row.index, {"cleanlist_status": "found"})
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = peak(2_000)
    assert peak(20_000) < small + 1_500_000


def test_results_that_wait_are_compact(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("Email\n" + "a@b.co\n" * 10_000)
    table = ContactTable.open(source)
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    tracemalloc.start()
    try:
        for index in range(9_999, 0, -1):
            writer.put(index, {"cleanlist_status": "found", "cleanlist_email": f"p{index}@acme.com"})
        assert tracemalloc.get_traced_memory()[0] / 10_000 < 250
    finally:
        tracemalloc.stop()
    writer.close()
