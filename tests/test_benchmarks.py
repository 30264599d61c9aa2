"""The benchmarks' page of results; what they measure is measured there, not here."""

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.measuring import Spread, fitted_exponent, n_log_n_exponent, ratio
from benchmarks.report import Bars, Lines, Section, Table, Target, save


@pytest.mark.slow
def test_the_page_holds_tables_targets_and_plots(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'cleanlist-async[bench]'")
    section = Section(
        "Rate",
        "How it was measured.",
        [Table(("limiter", "429s"), [("ours", 0), ("theirs", 60)], "1,000 requests")],
        [Target("429s", "0", "0", met=True), Target("share", "99 %", "98 %", met=False)],
        [
            Bars("bars", "429s", ["exact", "fixed"], {"ours": [0, 0], "theirs": [6, 1]}, "%"),
            Lines("lines", "Growth", {"ours": [(1, 1.0), (10, 11.0)]}, "s"),
        ],
    )
    save([section], "CPython, two cores.", tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "| limiter | 429s |\n| --- | --- |\n| ours | 0 |\n| theirs | 60 |" in page
    assert page.count("| 429s | 0 | 0 | yes |") == 2  # at the top, and in its section
    assert "| share | 99 % | 98 % | **no** |" in page
    assert "![429s](bars.svg)" in page
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("*.svg")}
    assert set(drawn) == {"bars.svg", "lines.svg"}
    save([section], "CPython, two cores.", tmp_path)
    assert drawn == {path.name: path.read_bytes() for path in tmp_path.glob("*.svg")}


def test_ratios_are_of_each_round():
    assert ratio([1, 4, 9, 16], [1, 2, 3, 4]) == Spread(2.0, 2.5, 3.0)
    assert str(Spread(1.0, 1.5, 2.25)) == "1.50 (1.00 to 2.25)"


def test_exponents():
    sizes = (10, 100, 1000)
    assert fitted_exponent(sizes, [n**2 for n in sizes]) == pytest.approx(2)
    assert 1.1 < n_log_n_exponent(sizes) < 1.3


def test_every_benchmark_is_part_of_the_whole_and_runs_alone():
    folder = Path(__file__).parents[1] / "benchmarks"
    whole = (folder / "__main__.py").read_text()
    found = 0
    for path in folder.glob("[!_]*.py"):
        source = path.read_text()
        if "\ndef measure(" in source:
            found += 1
            assert f"\n        {path.stem},\n" in whole
            assert f"\n    python -m benchmarks.{path.stem}" in source
            assert source.endswith(
                ('"__main__":\n    main()\n', '"__main__":\n    report.command(measure)\n')
            )
    assert found >= 15


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.parametrize(
    ("name", "settings"),
    {
        "batcher": {"rates": (1,), "seconds": 5.0, "callers": 50},
        "enrich_one_sockets": {"callers": 50, "requests": 10, "window_s": 1.0},
        "events": {"calls": 5, "rounds": 1},
        "job_journal": {"contacts": 1_000, "rounds": 2},
        "job_soak": {"contacts": 1_000, "jobs": 1},
        "makespan": {"contacts": 1_000, "medians": (3.0,), "seeds": 1},
        "memory": {"contacts": 2_000},
        "pipe": {"contacts": (1_000,), "rounds": 1},
        "store": {"rounds": 2},
        "tenants": {"tenants": 5},
        "threads": {"threads": 20, "window_s": 1.0},
    }.items(),
)
def test_a_benchmark_runs_with_small_settings(name, settings):
    section = import_module(f"benchmarks.{name}").measure(**settings)
    assert section.tables
    assert all(table.rows for table in section.tables)
