"""One reader of contact files: does an import send what a job reads?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.scorecard.figure import Figure
from tests.tables.test_both_doors import DIFFERENT, awkward_files, cases, compare


def figures(*, long: bool) -> Iterator[Figure]:
    """Yield how many files an import reads differently than a job; all of them in the short form, too."""
    with TemporaryDirectory() as folder:
        files = {**awkward_files(Path(folder)), **cases()}
        given, differences = compare(files)
    found = differences.keys() - DIFFERENT
    yield Figure("files that an import and a job read differently", len(found), 0, of=len(given))
