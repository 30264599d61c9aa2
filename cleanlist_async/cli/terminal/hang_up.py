"""A terminal that may be closed while a command runs: the command continues without output."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final, Self, TextIO, cast

_HANG_UP: Final[int | None] = getattr(signal, "SIGHUP", None)
"""None on Windows."""
_STANDARD: Final = (0, 1, 2)


class Terminal:
    """Standard output and error while something reads them, then nothing.

    A terminal that is closed sends SIGHUP, which ends a process by default, and after that refuses
    all output with EIO; a pipe whose reader has gone does so with EPIPE. Where it *survives* that, SIGHUP
    takes the output away and no more.
    """

    def __init__(self, *, survives: bool = False) -> None:
        self.is_gone = False
        self._survives = survives
        # A redirected stream outlives the terminal, and keeps receiving its lines.
        self._of_terminal = [descriptor for descriptor in _STANDARD if os.isatty(descriptor)]
        self._streams = sys.stdout, sys.stderr
        self._before: object = None

    def __enter__(self) -> Self:
        sys.stdout, sys.stderr = (self._guarded(stream) for stream in self._streams)
        if _HANG_UP is not None and self._survives:
            self._before = signal.signal(_HANG_UP, self._hang_up)
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._streams
        # With the terminal gone, SIGHUP stays handled: it may come once more while the process ends.
        if _HANG_UP is not None and self._survives and not self.is_gone:
            signal.signal(_HANG_UP, cast("signal.Handlers", self._before))

    def _guarded(self, stream: TextIO) -> TextIO:
        return cast("TextIO", _Guarded(stream, self._give_up))

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self._give_up(*self._of_terminal)

    def _give_up(self, *descriptors: int) -> None:
        self.is_gone = True
        nowhere = os.open(os.devnull, os.O_RDWR)
        # Rich and logging hold the streams, so the descriptors beneath them are replaced.
        for descriptor in descriptors:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)


class _Guarded:
    """A stream that gives up at its first error instead of raising it."""

    def __init__(self, stream: TextIO, give_up: Callable[[int], None]) -> None:
        self._stream = stream
        self._give_up = give_up

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up(self._stream.fileno())
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._give_up(self._stream.fileno())
