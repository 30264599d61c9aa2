"""The SQLite file that processes share: its own faults are explained, those of its users are left alone."""

from __future__ import annotations

import os

import pytest

from cleanlist_async import ConfigurationError
from cleanlist_async.storage.sqlite_file import SharedFile
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


def test_a_damaged_file_is_explained_while_it_is_used(tmp_path):
    file = SharedFile(tmp_path / "limits")
    cannot_be_used = pytest.raises(ConfigurationError, match="The limits file limits cannot be used")
    with cannot_be_used, file.transaction() as rows:
        rows.execute("SELECT * FROM no_such_table")
    file.close()


def test_a_directory_that_is_missing_is_explained(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be used"):
        SharedFile(tmp_path / "missing" / "limits")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of POSIX")
@pytest.mark.parametrize(
    ("mode", "holds_contacts", "word"), [(0o622, False, "written"), (0o644, True, "read")]
)
def test_a_file_that_others_can_use_is_refused(tmp_path, mode, holds_contacts, word):
    path = tmp_path / "shared"
    SharedFile(path, holds_contacts=holds_contacts)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"can be {word} by other users"):
        SharedFile(path, holds_contacts=holds_contacts)
