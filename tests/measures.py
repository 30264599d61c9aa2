"""Print the measures of the package's layout: ``python -m tests.measures [--time]``.

``--time`` also runs the README's test command, and prints how long pytest took.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.scorecard.figure import Figure
from tests.support.source_tree import PACKAGE, circles, modules


def figures() -> Iterator[Figure]:
    """Measure the tree as it stands."""
    tree = modules()
    folders = {module.top for module in tree.values() if "." in module.name}
    yield Figure("flat modules", len(list(PACKAGE.glob("*.py"))), 9)
    yield Figure("folders", len(folders), 17)
    yield Figure("circles between files", len(circles(tree)), 0)
    sizes = [size for module in tree.values() for size in module.classes()]
    most, longest = max(sizes, key=lambda size: size.methods), max(sizes, key=lambda size: size.lines)
    yield Figure(f"methods of {most.name}, the class with most", most.methods, 20)
    yield Figure(f"lines of {longest.name}, the longest class", longest.lines, 250)
    yield Figure("files over 400 lines", sum(module.lines > 400 for module in tree.values()), 0)
    lines = sum(module.lines for module in tree.values())
    noqa = sum(module.text.count("noqa") for module in tree.values())
    yield Figure("noqa per 1,000 lines", 1_000 * noqa / lines, 2)
    comments = sum(1 for module in tree.values() for _ in module.comments())
    yield Figure("lines per comment", lines / comments, 33)
    yield Figure("lines", lines, 40_000)


def _test_command() -> Iterator[Figure]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "auto"], capture_output=True, text=True, check=False
    )
    said = re.search(r"in (\d+\.\d+)s", done.stdout)
    yield Figure("seconds of pytest in the README's test command", float(said[1]) if said else 1e9, 90)
    yield Figure("seconds of that command", time.perf_counter() - began, 120)
    yield Figure("exit code", done.returncode, 0)


def main() -> int:
    """Print each measure beside its limit."""
    found = [*figures(), *(_test_command() if "--time" in sys.argv else ())]
    for figure in found:
        print(figure)
    return int(not all(figure.holds for figure in found))


if __name__ == "__main__":
    sys.exit(main())
