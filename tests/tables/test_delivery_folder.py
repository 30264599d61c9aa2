"""An output that is delivered elsewhere leaves nothing behind, however its run ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cleanlist_async.tables import ContactTable, EnrichedWriter

ROOT = Path(__file__).parents[2]
_WRITE_AND_WAIT = """
import sys
from cleanlist_async.tables import ContactTable, EnrichedWriter

table = ContactTable.open(sys.argv[1])
writer = EnrichedWriter("-", table, is_renewable=sys.argv[2] == "renewable")
writer.flush_partial()
print(writer.part_path, flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks that end with a process")


@pytest.fixture
def table(tmp_path, monkeypatch) -> ContactTable:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "in.csv").write_text("Email\na@b.co\n")
    return ContactTable.open(tmp_path / "in.csv")


def begun(folder: Path, kind: str) -> tuple[subprocess.Popen[str], Path]:
    command = [sys.executable, "-c", _WRITE_AND_WAIT, str(folder / "in.csv"), kind]
    env = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def write_elsewhere(table: ContactTable, address: str) -> None:
    with EnrichedWriter(address, table, is_renewable=True):
        pass


@pytest.mark.sockets
def test_what_a_killed_run_left_is_removed_by_the_next(table, tmp_path):
    dead, left = begun(tmp_path, "renewable")
    alive, used = begun(tmp_path, "renewable")
    paid, kept = begun(tmp_path, "paid for")
    try:
        for process in (dead, paid):
            process.send_signal(signal.SIGKILL)
            process.wait(60)
        assert left.exists()
        write_elsewhere(table, f"file://{tmp_path}/out.csv")
        assert not left.parent.exists()
        assert used.exists()
        assert kept.exists()
        assert set((tmp_path / "tmp").iterdir()) == {used.parent, kept.parent}
    finally:
        for process in (dead, alive, paid):
            with process:
                process.kill()
    assert (tmp_path / "out.csv").exists()


def test_an_output_that_is_delivered_or_discarded_leaves_no_folder(table, tmp_path):
    write_elsewhere(table, f"file://{tmp_path}/out.csv")
    EnrichedWriter(f"file://{tmp_path}/more.csv", table).discard()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "more.csv").exists()
