"""A disk of temporary files that takes only a part: an error that names it, never a part of the table."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from cleanlist_async.tables import ContactTable, EnrichedWriter
from tests.support.cases import each_case

NOTES = [random.Random(number).randbytes(40).hex() for number in range(400)]
ROWS = "".join(f"Ada{number},Lovelace,engine.example,{note}\n" for number, note in enumerate(NOTES))
TEXT = f"First Name,Last Name,Website,Note\n{ROWS}"
_OPEN_ON_A_FULL_DISK = """
import resource, signal, sys
from cleanlist_async.tables import ContactTable, TableError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    table = ContactTable.open(sys.argv[1], snapshot=True)
except TableError as error:
    print(error)
else:
    print(sum(1 for _ in table.rows()), "rows")
"""
_WRITE_TO_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from cleanlist_async.tables import ContactTable, EnrichedWriter, TableError
from cleanlist_async.tables.own_files import PartFile

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
table, finish = ContactTable.open("in.csv"), PartFile.finish

def allow(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def finish_on_a_full_disk(part, **how):
    part.flush()
    allow(8192)
    finish(part, **how)

def write(when, suffix):
    with EnrichedWriter(Path(sys.argv[1], f"{when}{suffix}"), table):
        pass

for suffix in (".csv", ".jsonl", ".json", ".xlsx", ".parquet", ".arrow", ".csv.gz", ".csv.zst"):
    for when in ("early", "late"):
        PartFile.finish = finish_on_a_full_disk if when == "late" else finish
        allow(resource.RLIM_INFINITY)
        if when == "early":
            write("imports everything", suffix)
            allow(8192)
        try:
            write(when, suffix)
        except TableError as error:
            print(error)
"""
_DELIVER_TO_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from cleanlist_async.tables.formats.location import deliver

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    deliver(Path(sys.argv[1]), "-")
except OSError as error:
    print(error.strerror, file=sys.stderr)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("files")
    (made / "in.csv").write_text(TEXT)
    table = ContactTable.open(made / "in.csv")
    for suffix in (".xlsx", ".parquet", ".json", ".csv.gz", ".csv.zst"):
        with EnrichedWriter(made / f"in{suffix}", table):
            pass
    return made


@pytest.mark.slow
@each_case("name", ["in.csv", "in.xlsx", "in.parquet", "in.json", "in.csv.gz", "in.csv.zst", "-"])
def test_an_input_that_cannot_be_copied_whole_is_refused_by_the_name_of_the_folder(folder, tmp_path, name):
    command = [sys.executable, "-c", _OPEN_ON_A_FULL_DISK, name]
    done = subprocess.run(
        command, cwd=folder, input=TEXT, capture_output=True, text=True, check=True, env=_env(tmp_path)
    )
    assert f"cannot be copied to {tmp_path} (File too large); free some space there" in done.stdout


@pytest.mark.slow
def test_an_output_that_the_disk_does_not_take_whole_is_none(folder, tmp_path):
    command = [sys.executable, "-c", _WRITE_TO_A_FULL_DISK, str(tmp_path)]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=_env(tmp_path)
    )
    assert "Traceback" not in done.stderr, done.stderr
    names = {path.name for path in tmp_path.iterdir() if not path.name.startswith("imports")}
    # A part that was written whole before the disk was full needs no more room under its own name.
    assert {name for name in names if ".part" not in name} == {"late.csv", "late.jsonl"}
    assert done.stdout.count(f"cannot be written (File too large); check the folder {tmp_path}") == 8 + 6, (
        done.stdout
    )


@each_case("unbuffered", [(), ("-u",)])
def test_standard_output_that_takes_only_a_part_is_an_error(folder, tmp_path, unbuffered):
    with (tmp_path / "out.csv").open("wb") as out:
        command = [sys.executable, *unbuffered, "-c", _DELIVER_TO_A_FULL_DISK, "in.csv"]
        done = subprocess.run(
            command, cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True, check=True, env=_env(tmp_path)
        )
    assert "File too large" in done.stderr


def _env(temporary: Path) -> dict[str, str]:
    return {
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",  # a compiled module would be cut short too
    }
