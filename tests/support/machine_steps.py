"""The statements of a store in a file, each with the steps that SQLite's machine took for it."""

from __future__ import annotations

import sqlite3

import pytest

from cleanlist_async.storage import sqlite_file


def count_steps(monkeypatch: pytest.MonkeyPatch, at_once: int) -> list[list]:
    """Return the statements that are run from here on: [text, steps], counted in units of *at_once*."""
    counted: list[list] = []
    connection_of = sqlite3.connect

    def connect(*args: object, **options: object) -> sqlite3.Connection:
        connection = connection_of(*args, **options)
        latest: list[list] = [["", 0]]  # of this connection: another may be at work in another thread

        def begin(text: str) -> None:
            latest[:] = [[text, 0]]
            counted.append(latest[0])

        def count() -> None:
            latest[0][1] += at_once

        connection.set_trace_callback(begin)
        connection.set_progress_handler(count, at_once)
        return connection

    monkeypatch.setattr(sqlite_file.sqlite3, "connect", connect)
    return counted
