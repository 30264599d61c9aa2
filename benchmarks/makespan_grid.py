"""How late are results, from one contact to a hundred thousand, beside the earliest moment that is possible?

    python -m benchmarks.makespan --grid [--seeds 40] [--sizes 1 10 250] [--medians 3 20 120 600] [--way NAME]
                                  [--record FILE] [--before FILE]
    python -m benchmarks.makespan_grid FILE...      # recorded figures as a page and a picture, in benchmarks/results

One key, virtual time, a strict sliding-window server, workflows of lognormal length (sigma 0.5), one-way latency 20 to
400 ms. `--record` keeps the figures; `--before` prints those of an earlier version beside them.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import report
from benchmarks.best_schedule import makespans
from benchmarks.makespan import AS_A_LIST, OURS, SIGMA, Measured, measured
from benchmarks.measuring import percentile, side_by_side

SIZES = (1, 10, 250, 1_000, 2_500, 5_000, 7_500, 15_000, 22_000, 30_000, 50_000, 100_000)
MEDIANS_S = (3.0, 20.0, 120.0, 600.0)
MIDDLE, EXTREME = "median", "p95"
ALLOWED = {MIDDLE: (0.03, 2.5), EXTREME: (0.08, 4.0)}
"""Lateness over the unbeatable makespan: a share of it, and seconds."""
NEAR = 0.03
"""How much later than the best schedule that was found."""
FIRST_RESULT_SIZES = 5_000
LATER_FIRST_RESULT = 1.1
TEXT = """Unbeatable = max(window of the last submit + its workflow, window of the last request) + a round trip, where no
n-th request is let in before floor((n - 1) / limit) windows. Allowed beyond it: 3 % and 2.5 s in the median of the
seeds, 8 % and 4 s at the 95th percentile. The lateness is that of `enrich`, the first result that of `stream`. Where a
cell is later, the best of 45 schedules stands beside it, for each quantile another: each has our submits, of which at
most four are in flight at once, and knows the distribution of the lengths (`benchmarks.best_schedule`)."""


@dataclass(frozen=True)
class Cell:
    """One size and length of workflows, over all seeds. Lateness is in seconds, by quantile."""

    contacts: int
    median_s: float
    seeds: int
    unbeatable_s: float
    late_s: Mapping[str, float]
    over_allowed_s: Mapping[str, float]
    """The quantile of what each seed is late beyond what it is allowed; above 0 is a miss."""
    first_result_s: float
    status_requests: float
    rejections: int
    last_submit_s: float
    best_late_s: Mapping[str, float] | None = None
    """What the best of many schedules reaches that knows the distribution of the lengths; where this is a miss."""
    way: str = AS_A_LIST

    @classmethod
    def of(
        cls, way: str, contacts: int, median_s: float, runs: Sequence[Measured], streams: Sequence[Measured]
    ) -> Cell:
        def quantile(name: str, values: Sequence[float]) -> float:
            return statistics.median(values) if name == MIDDLE else percentile(values, 0.95)

        def beyond(run: Measured, share: float, seconds: float) -> float:
            return run.makespan_s - run.whole_windows_s * (1 + share) - seconds

        cell = cls(
            contacts,
            median_s,
            len(runs),
            statistics.median(run.whole_windows_s for run in runs),
            {
                name: quantile(name, [run.makespan_s - run.whole_windows_s for run in runs])
                for name in ALLOWED
            },
            {name: quantile(name, [beyond(run, *ALLOWED[name]) for run in runs]) for name in ALLOWED},
            statistics.median(run.first_result_s for run in streams),
            statistics.fmean(run.status_requests for run in runs),
            sum(run.rejections for run in (*runs, *streams)),
            statistics.median(run.last_submit_s for run in runs),
            way=way,
        )
        if cell.meets or way != AS_A_LIST:  # the schedules that are tried have one key, and no webhooks
            return cell
        tried = makespans([run.workflows for run in runs], median_s, SIGMA)
        unbeatable = [run.whole_windows_s for run in runs]
        late = [[ours - least for ours, least in zip(one, unbeatable, strict=True)] for one in tried]
        return replace(cell, best_late_s={name: min(quantile(name, one) for one in late) for name in ALLOWED})

    @property
    def place(self) -> tuple[int, float]:
        return self.contacts, self.median_s

    @property
    def meets(self) -> bool:
        return all(over <= 0 for over in self.over_allowed_s.values())

    @property
    def is_near_best(self) -> bool:
        """Whether it is within 3 % of the best that was found, where that is late, too."""
        if self.best_late_s is None:
            return False
        best_s = {name: self.unbeatable_s + late_s for name, late_s in self.best_late_s.items()}
        return all(self.unbeatable_s + self.late_s[name] <= (1 + NEAR) * best_s[name] for name in ALLOWED)

    def first_result_is_as_early_as(self, before: Cell) -> bool:
        later = self.first_result_s > LATER_FIRST_RESULT * before.first_result_s
        return self.contacts < FIRST_RESULT_SIZES or not later


def seeds_of(contacts: int, seeds: int) -> range:
    """Fewer seeds for large sizes, which take minutes of CPU and vary less."""
    return range(seeds if contacts <= 5_000 else max(1, seeds * 5_000 // contacts))


def cells(sizes: Sequence[int], medians: Sequence[float], seeds: int, name: str = AS_A_LIST) -> list[Cell]:
    """Measure every cell: the lateness of a list, and the first result of a stream."""
    places = [(contacts, median_s) for contacts in sizes for median_s in medians]
    asked = [
        (way, contacts, median_s, seed)
        for contacts, median_s in places
        for way in {name: None, (OURS if contacts >= FIRST_RESULT_SIZES else name): None}
        for seed in seeds_of(contacts, seeds)
    ]
    found: dict[tuple[str, int, float], list[Measured]] = {}
    for (way, contacts, median_s, _), run in zip(asked, side_by_side(measured, asked), strict=True):
        found.setdefault((way, contacts, median_s), []).append(run)
    return [
        Cell.of(name, *place, found[name, *place], found.get((OURS, *place), found[name, *place]))
        for place in places
    ]


def row(cell: Cell, before: Cell | None) -> tuple[object, ...]:
    def late(of: Cell | None, name: str) -> str:
        return f"{of.late_s[name]:+.1f} ({of.late_s[name] / of.unbeatable_s:+.1%})" if of else ""

    return (
        f"{cell.contacts:,}",
        f"{cell.median_s:g} s",
        cell.seeds,
        f"{cell.unbeatable_s:,.1f}",
        late(before, MIDDLE),
        late(cell, MIDDLE),
        late(before, EXTREME),
        late(cell, EXTREME),
        "yes" if cell.meets else "near the best" if cell.is_near_best else "**no**",
        *(f"{cell.best_late_s[name]:+.1f}" if cell.best_late_s else "" for name in ALLOWED),
        f"{before.first_result_s:.1f}" if before else "",
        f"{cell.first_result_s:.1f}",
        f"{cell.status_requests:.2f}",
        f"{cell.last_submit_s:.1f}",
        cell.rejections,
    )


EARLIER = {
    "1 to 250": (0.62, 0.45, 0.43, 0.40),
    "1,000": (0.30, 0.18, 0.15, 0.13),
    "5,000": (0.04, 0.05, 0.08, 0.14),
    "15,000": (0.05, 0.05, 0.13, 0.08),
    "30,000": (0.17, 0.17, 0.30, 0.05),
}
"""The lateness of 0.1.0 in the median of five seeds, by size, at each of MEDIANS_S."""


def picture(found: Sequence[Cell]) -> report.HeatMap:
    lengths = [f"{median_s:g} s" for median_s in MEDIANS_S]
    earlier = {
        (size, length): late
        for size, row in EARLIER.items()
        for length, late in zip(lengths, row, strict=True)
    }
    now = {
        (f"{cell.contacts:,}", f"{cell.median_s:g} s"): cell.late_s[MIDDLE] / cell.unbeatable_s
        for cell in found
    }
    return report.HeatMap(
        "lateness",
        "Lateness beyond the earliest moment that is possible, in the median",
        {"0.1.0": earlier, "now": now},
        "contacts",
        "median length of a workflow",
        0.6,
    )


OTHER_COLUMNS = (
    "way",
    "contacts",
    "median workflow",
    "seeds",
    "unbeatable, s",
    "late, s: median",
    "late, s: p95",
    "status requests per workflow",
    "429s",
)
OTHER_TEXT = """

Other ways: with webhooks, the unbeatable makespan has no status requests. Beside a caller who enriches one contact
every 30 s with another client of the same limiter, a list gives way: its submits are spread over the window, and half
of the idle tokens stay free."""
COLUMNS = (
    "contacts",
    "median workflow",
    "seeds",
    "unbeatable, s",
    "late before, s: median",
    "late, s: median",
    "late before, s: p95",
    "late, s: p95",
    "as allowed",
    "best found, late, s: median",
    "best found, late, s: p95",
    "first result before, s",
    "first result, s",
    "status requests per workflow",
    "last submit, s",
    "429s",
)


def measure_grid(
    sizes: Sequence[int] = SIZES,
    medians: Sequence[float] = MEDIANS_S,
    seeds: int = 40,
    *,
    name: str = AS_A_LIST,
    before: Path | None = None,
    record: Path | None = None,
) -> report.Section:
    found = cells(sizes, medians, seeds, name)
    if record is not None:
        record.write_text(json.dumps([asdict(cell) for cell in found], indent=1) + "\n")
    return section(found, name, {} if before is None else recorded(before))


def other_ways(found: Sequence[Cell]) -> report.Table:
    rows = [
        (
            cell.way,
            f"{cell.contacts:,}",
            f"{cell.median_s:g} s",
            cell.seeds,
            f"{cell.unbeatable_s:,.1f}",
            *(f"{cell.late_s[name]:+.1f} ({cell.late_s[name] / cell.unbeatable_s:+.1%})" for name in ALLOWED),
            f"{cell.status_requests:.2f}",
            cell.rejections,
        )
        for cell in found
    ]
    return report.Table(OTHER_COLUMNS, rows, "Other ways")


def section(
    found: Sequence[Cell],
    name: str,
    known: Mapping[tuple[int, float], Cell],
    others: Sequence[Cell] = (),
) -> report.Section:
    met = sum(cell.meets for cell in found)
    near = sum(cell.is_near_best for cell in found)
    rejections = sum(cell.rejections for cell in (*found, *others))
    targets = [
        report.Target(
            "lateness in every cell, or within 3 % of the best schedule found",
            f"{len(found)} cells",
            f"{met} cells, and {near}",
            met + near == len(found),
        ),
        report.Target("429s, all cells", "0", str(rejections), rejections == 0),
    ]
    compared = [(cell, known[cell.place]) for cell in found if cell.place in known]
    if compared:
        later = [f"{cell.contacts:,}" for cell, old in compared if not cell.first_result_is_as_early_as(old)]
        wanted = f"at most 10 % later from {FIRST_RESULT_SIZES:,} contacts"
        targets.append(report.Target("first result", wanted, ", ".join(later) or "none later", not later))
    rows = [row(cell, known.get(cell.place)) for cell in found]
    tables = [report.Table(COLUMNS, rows), *([other_ways(others)] if others else [])]
    text = TEXT + OTHER_TEXT if others else TEXT
    return report.Section(f"Lateness, {name}", text, tables, targets, [picture(found)])


def recorded(path: Path) -> dict[tuple[int, float], Cell]:
    """Read the figures that an earlier run kept."""
    return {cell.place: cell for cell in (Cell(**fields) for fields in json.loads(path.read_text()))}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write recorded figures to benchmarks/results.")
    parser.add_argument("files", type=Path, nargs="+")
    found = [cell for path in parser.parse_args().files for cell in recorded(path).values()]
    lists = sorted((cell for cell in found if cell.way == AS_A_LIST), key=lambda cell: cell.place)
    others = [cell for cell in found if cell.way != AS_A_LIST]
    shown = section(lists, AS_A_LIST, {}, others)
    page = shown.markdown(with_plots=True).removeprefix("#")
    (report.RESULTS / "lateness.md").write_text(page, encoding="utf-8")
    for plot in shown.plots:
        report.draw(plot, report.RESULTS / f"{plot.name}.svg")


if __name__ == "__main__":
    main()
