"""What a benchmark found: text, tables, plots and targets, as Markdown and SVG."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    title: str = ""

    def markdown(self) -> str:
        title = f"**{self.title}**\n\n" if self.title else ""
        lines = (self.columns, ["---"] * len(self.columns), *self.rows)
        return title + "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


@dataclass(frozen=True)
class Target:
    """What was wanted of a figure, and what came out."""

    what: str
    wanted: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Bars:
    """Groups of bars, one of each series: ``values[series][group]``."""

    name: str
    title: str
    groups: Sequence[str]
    values: Mapping[str, Sequence[float]]
    unit: str

    def draw(self, axes: Axes) -> None:
        width = 0.8 / len(self.values)
        for number, (series, values) in enumerate(self.values.items()):
            places = [group + (number + 0.5) * width - 0.4 for group in range(len(values))]
            axes.bar(places, values, width, label=series)
        axes.set_xticks(range(len(self.groups)), self.groups)
        axes.set_ylabel(self.unit)


@dataclass(frozen=True)
class Lines:
    """Costs against n, both on logarithmic scales."""

    name: str
    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    unit: str
    size: str = "n"

    def draw(self, axes: Axes) -> None:
        for series, points in self.lines.items():
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=series)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(self.size)
        axes.set_ylabel(self.unit)


@dataclass(frozen=True)
class HeatMap:
    """Shares by row and column, side by side for each series: ``values[series][row, column]``."""

    name: str
    title: str
    values: Mapping[str, Mapping[tuple[str, str], float]]
    rows: str
    columns: str
    darkest: float

    def draw(self, axes: Axes) -> None:
        axes.set_axis_off()
        axes.set_title(self.title)
        for number, (series, values) in enumerate(self.values.items()):
            part = axes.inset_axes(
                (number / len(self.values) + 0.06, 0.1, 0.9 / len(self.values) - 0.06, 0.8)
            )
            rows = list(dict.fromkeys(row for row, _ in values))
            columns = list(dict.fromkeys(column for _, column in values))
            cells = [[values[row, column] for column in columns] for row in rows]
            part.imshow(cells, cmap="YlOrRd", vmin=0.0, vmax=self.darkest, aspect="auto")
            for (row, column), value in values.items():
                color = "white" if value > 0.6 * self.darkest else "black"
                place = (columns.index(column), rows.index(row))
                part.annotate(f"{value:+.0%}", place, color=color, ha="center", va="center", fontsize=6)
            part.set_xticks(range(len(columns)), columns)
            part.set_yticks(range(len(rows)), rows)
            part.set_xlabel(self.columns)
            part.set_ylabel("" if number else self.rows)
            part.set_title(series, fontsize=8)
            part.tick_params(length=0)


Plot: TypeAlias = Bars | Lines | HeatMap


@dataclass(frozen=True)
class Section:
    """One benchmark's report."""

    title: str
    text: str
    tables: Sequence[Table]
    targets: Sequence[Target] = ()
    plots: Sequence[Plot] = field(default_factory=tuple)

    def markdown(self, *, with_plots: bool = False) -> str:
        plots = [f"![{plot.title}]({plot.name}.svg)" for plot in self.plots] if with_plots else []
        targets = [target_table(self.targets).markdown()] if self.targets else []
        parts = [
            f"## {self.title}",
            self.text.strip(),
            *(t.markdown() for t in self.tables),
            *targets,
            *plots,
        ]
        return "\n\n".join(parts) + "\n"


def target_table(targets: Iterable[Target]) -> Table:
    rows = [(t.what, t.wanted, t.measured, "yes" if t.met else "**no**") for t in targets]
    return Table(("what", "target", "measured", "met"), rows)


def save(sections: Sequence[Section], machine: str, folder: Path = RESULTS) -> None:
    """Write one page of everything, and its plots beside it."""
    folder.mkdir(exist_ok=True)
    targets = [target for section in sections for target in section.targets]
    head = f"# Results of `python -m benchmarks`\n\n{machine}\n\n{target_table(targets).markdown()}\n"
    pages = [head, *(section.markdown(with_plots=True) for section in sections)]
    (folder / "README.md").write_text("\n".join(pages), encoding="utf-8")
    for section in sections:
        for plot in section.plots:
            draw(plot, folder / f"{plot.name}.svg")


def draw(plot: Plot, path: Path) -> None:
    """Draw a plot as SVG; the same figures give the same bytes."""
    import matplotlib as mpl  # noqa: PLC0415  # only here, so that a benchmark alone needs no plots
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.use("svg")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": plot.name, "font.size": 8}):
        figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
        plot.draw(axes)
        axes.set_title(plot.title)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.grid(visible=True, axis="y", linewidth=0.3)
            axes.legend(frameon=False, fontsize=7)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def text_of(doc: str | None) -> str:
    """Return what a benchmark's docstring says between its question and its command line."""
    return (doc or "").partition("    python")[0].partition("\n\n")[2].strip()


def show(measure: Callable[[], Section]) -> None:
    """Run one benchmark and print its report."""
    print(measure().markdown())


def command(measure: Callable[..., Section]) -> None:
    """Run a module's benchmark with options from the command line: one for each parameter, typed as its default."""
    parser = argparse.ArgumentParser(
        description=sys.modules[measure.__module__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, parameter in inspect.signature(measure).parameters.items():
        option, default = f"--{name.replace('_', '-')}", parameter.default
        if isinstance(default, bool):
            parser.add_argument(option, action="store_true")
        elif isinstance(default, tuple):
            parser.add_argument(option, type=type(default[-1]), nargs="+", default=default)
        else:
            parser.add_argument(option, type=str if default is None else type(default), default=default)
    show(partial(measure, **vars(parser.parse_args())))
