"""The SQLite file that processes share: its own faults are explained, those of its users are left alone."""

import os
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from cleanlist_async import ConfigurationError, FileMailbox, RateLimiter, RateLimits
from cleanlist_async.cli.terminal.shared_limits import limiter_of
from cleanlist_async.storage import filesystem
from cleanlist_async.storage.sqlite_file import LIMITS_FILE, SharedFile
from tests.support.cases import each_case


@each_case(
    "error", [KeyError("name"), ValueError("state"), OSError(28, "No space left"), KeyboardInterrupt()]
)
def test_an_exception_of_the_block_passes_unchanged_and_the_transaction_is_undone(error, tmp_path):
    file = SharedFile(tmp_path / "limits")
    with pytest.raises(type(error)) as caught, file.transaction() as rows:
        rows.execute("INSERT INTO pools VALUES (1, '{}')")
        raise error
    assert caught.value is error
    with file.transaction() as rows:
        assert rows.execute("SELECT count(*) FROM pools").fetchone() == (0,)
    file.close()


def test_two_processes_may_make_the_file_at_the_same_moment(tmp_path, monkeypatch):
    looks = []

    class Slow(sqlite3.Connection):
        def execute(self, text, *values):
            answer = super().execute(text, *values)
            if "user_version" in text and not looks:  # the other makes the tables in the middle of our look
                looks.append(text)
                SharedFile(tmp_path / "limits").close()
            return answer

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Slow))
    file = SharedFile(tmp_path / "limits")
    with file.transaction() as rows:
        assert rows.execute("SELECT count(*) FROM pools").fetchone() == (0,)
    file.close()


def test_a_damaged_file_is_explained_while_it_is_used(tmp_path):
    file = SharedFile(tmp_path / "limits")
    cannot_be_used = pytest.raises(ConfigurationError, match="The limits file limits cannot be used")
    with cannot_be_used, file.transaction() as rows:
        rows.execute("SELECT * FROM no_such_table")
    file.close()


def test_on_a_full_disk_the_advice_is_to_free_some_space_there(tmp_path):
    file = SharedFile(tmp_path / "limits")
    with file.transaction() as rows:
        rows.execute("PRAGMA max_page_count = 1")  # as many as there are, then it is full
    with pytest.raises(ConfigurationError, match="is full") as refused, file.transaction() as rows:
        rows.execute("INSERT INTO pools VALUES (1, ?)", ("x" * 1_000_000,))
    assert f"Free some space on the disk of {tmp_path}." in str(refused.value)
    file.close()


def test_a_directory_that_is_missing_is_explained(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be used"):
        SharedFile(tmp_path / "missing" / "limits")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of POSIX")
@pytest.mark.parametrize(
    ("mode", "holds_contacts", "word"),
    [(0o666, False, "written"), (0o660, False, "written"), (0o602, False, "written"), (0o644, True, "read")],
)
def test_a_file_that_others_can_use_is_refused(tmp_path, mode, holds_contacts, word):
    path = tmp_path / "shared"
    SharedFile(path, holds_contacts=holds_contacts)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"can be {word} by other users") as refusal:
        SharedFile(path, holds_contacts=holds_contacts)
    assert f"chmod 600 {path}" in str(refusal.value.fix)
    path.chmod(0o600)
    SharedFile(path, holds_contacts=holds_contacts)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of POSIX")
def test_nobody_is_advised_to_delete_what_is_another_file(tmp_path):
    contacts = tmp_path / "contacts.csv"
    contacts.write_text("First Name,Last Name\n")
    contacts.chmod(0o666)
    for path, says in (
        (contacts, "is not a limits file"),
        (tmp_path, "is not a regular file"),
        ("/dev/null", "is not a regular file"),
    ):
        with pytest.raises(ConfigurationError, match=says) as caught:
            SharedFile(path)
        assert "delete" not in str(caught.value)


@each_case("path", [":memory:", "file:limits.db", "file::memory:?cache=shared"])
def test_what_is_no_path_of_a_file_is_refused_since_nobody_could_share_it(path):
    with pytest.raises(ConfigurationError, match="path of a file"):
        RateLimiter.sqlite(path)
    with pytest.raises(ConfigurationError, match="path of a file"):
        FileMailbox(path)


def test_a_file_on_a_network_file_system_is_refused(tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:21 / {tmp_path} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)
    with pytest.raises(ConfigurationError, match="network file system"):
        RateLimiter.sqlite(tmp_path / "limits.db")
    assert not (tmp_path / "limits.db").exists()


def test_the_default_file_of_the_command_line_on_a_network_is_a_warning(tmp_path, monkeypatch, caplog):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 0:21 / {tmp_path} rw - nfs4 server:/x rw\n")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("CLEANLIST_LIMITS", "CLEANLIST_LIMITS_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert limiter_of(RateLimits(), on_loopback=False) is None
    assert "network file system" in caplog.text


def test_who_waits_comes_to_its_turn_among_those_who_write_again_and_again(tmp_path):
    path = tmp_path / "shared"
    turns, is_over = 0, threading.Event()

    def write_again_and_again():
        nonlocal turns
        file = SharedFile(path)
        while turns < 200 and not is_over.is_set():
            with file.transaction():
                time.sleep(0.01)  # long: a contact is recorded in less
            turns += 1
        file.close()

    writing = threading.Thread(target=write_again_and_again)
    with closing(SharedFile(path)) as file:
        writing.start()
        try:
            waited = []
            for _ in range(5):
                before = turns
                while turns == before:  # until it has begun, and holds the file again
                    time.sleep(0.001)
                with file.transaction():
                    waited.append(turns - before - 1)
        finally:
            is_over.set()
            writing.join()
    assert sum(waited) < 50, waited


def test_a_connection_stays_open_while_another_holds_the_file(tmp_path, monkeypatch):
    kind = replace(LIMITS_FILE, may_be_replaced=False)
    with closing(SharedFile(tmp_path / "shared", kind=kind, busy_s=0.01)) as file:
        with file.transaction() as kept:
            pass
        with closing(sqlite3.connect(file.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                with pytest.raises(ConfigurationError, match="Another process holds"), file.transaction():
                    pass
        with file.transaction() as rows:
            assert rows is kept
