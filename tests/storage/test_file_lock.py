"""The lock on a file beside another."""

import os

import pytest

from cleanlist_async.storage.file_lock import FileLock, FileLockedError


def test_a_lock_is_held_by_one_and_names_its_process(tmp_path):
    held = FileLock(tmp_path / "out.csv")
    held.take()
    with pytest.raises(FileLockedError) as refused:
        FileLock(tmp_path / "out.csv").take()
    assert refused.value.holder == os.getpid()
    assert held.is_taken
    held.give_back()
    assert not held.is_taken
    FileLock(tmp_path / "out.csv").take()


def test_a_link_has_the_lock_of_its_target(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "out.csv")
    FileLock(tmp_path / "out.csv").take()
    with pytest.raises(FileLockedError):
        FileLock(tmp_path / "link.csv").take()


def test_a_lock_that_is_removed_leaves_nothing_and_can_be_taken_again(tmp_path):
    lock = FileLock(tmp_path / "out.csv", is_removed=True)
    lock.take()
    lock.give_back()
    assert list(tmp_path.iterdir()) == []
    lock.take()
    assert lock.is_taken


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_not_taken_for_the_lock(tmp_path, monkeypatch):
    first, second = (FileLock(tmp_path / "out.csv", is_removed=True) for _ in range(2))
    first.take()
    opened, os_open = [], os.open

    def open_late(path, *rest):  # the second opens the file, then the first removes it and gives it back
        opened.append(os_open(path, *rest))
        if len(opened) == 1:
            first.give_back()
        return opened[-1]

    monkeypatch.setattr(os, "open", open_late)
    second.take()
    assert len(opened) == 2
    assert second.is_taken
