"""From any format into any other and back: every cell of a column that is not ours is as it was."""

from __future__ import annotations

import csv
import tempfile
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cleanlist_async.tables import ContactTable, EnrichedWriter
from cleanlist_async.tables.rendering import text_with_formula, text_without_formula
from tests.support.cases import each_case
from tests.support.examples import some

KINDS = (
    "csv",
    "tsv",
    "jsonl",
    "json",
    "xlsx",
    "parquet",
    "arrow",
    "csv.gz",
    "tsv.zst",
    "jsonl.gz",
    "json.zst",
)
CELLS = st.text(
    st.characters(
        exclude_categories=("Cc", "Cs", "Co", "Cn", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff"
    ),
    max_size=20,
)


def written(source: Path, output: Path) -> Path:
    """Write *source* as *output*, as `enrich` would if nobody were found."""
    table = ContactTable.open(source)
    with EnrichedWriter(output, table) as writer:
        for row in table.rows():
            writer.put(row.index, {"cleanlist_status": "not_found"})
    return output


def make(folder: Path, header: str, cells: list[str]) -> Path:
    path = folder / "in.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["First Name", "Last Name", "Website", header])
        rows.writerows(
            [f"Ada{chr(97 + place)}", "Lovelace", "engines.example", cell] for place, cell in enumerate(cells)
        )
    return path


def column_of(path: Path, header: str) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row[header] for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.scaled
@each_case("pair", some(list(product(KINDS, KINDS))))
def test_every_cell_comes_back_through_two_formats(pair):
    @given(st.lists(CELLS, min_size=1, max_size=5))
    @example(["007", "1.50", "1e5", "TRUE", "2026-01-02", "=1+1", "null", "NaN", " padded ", ""])
    def check(cells):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            first, second = (folder / f"{name}.{kind}" for name, kind in zip("ab", pair, strict=True))
            out = written(written(written(make(folder, "Notes", cells), first), second), folder / "out.csv")
            is_text_all_along = all(kind.startswith(("csv", "tsv")) for kind in pair)
            expected = cells if is_text_all_along else [text_without_formula(cell) for cell in cells]
            assert column_of(out, "Notes") == expected
            assert [text_with_formula(cell) for cell in expected] == [
                text_with_formula(cell) for cell in cells
            ]

    check()
