"""Signals while a command runs: a request to stop, and a terminal that may be closed.

Ctrl-C, SIGTERM and SIGHUP are a request to stop, not an exception in the middle of something. A second Ctrl-C
ends the process at once, as a kill does: stores and journals survive both. That also holds while the command
ends after the first one, so that none is taken for a first Ctrl-C again.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final, Self, TextIO, cast

from cleanlist_async.cli.terminal.exits import ExitCode, complain_and_exit

if TYPE_CHECKING:
    import anyio

_HANG_UP: Final[signal.Signals | None] = getattr(signal, "SIGHUP", None)
"""What a closed terminal sends; None on Windows."""
_OF_SHELLS: Final = 128
"""What shells add to the number of the signal that ended a command."""
_STANDARD: Final = (0, 1, 2)
STOPPING: Final = "Stopping: waiting for the answers to requests already sent, which may be paid for."
"""What a command that spends credits prints when it is stopped."""


class StopSignals:
    """Handles the signals while it is entered, from the first signal on until the process ends.

    *on_signal* is called at each of them, so that the user sees a response at once.
    """

    def __init__(self, on_signal: Callable[[], None]) -> None:
        self.received: signal.Signals | None = None
        self._on_signal = on_signal
        self._wake: Callable[[], object] | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in _signals():
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self.received:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    @contextmanager
    def stopping(self, scope: anyio.CancelScope) -> Generator[None]:
        """Cancel *scope* at a signal, even if it came earlier."""
        import asyncio

        loop = asyncio.get_running_loop()

        # Said by the loop: in the handler it could interrupt a print, and be refused.
        def stop() -> None:
            scope.cancel()
            self._on_signal()

        # The loop may be asleep in select(); a plain cancel() would be seen only at its next event.
        self._wake = lambda: loop.call_soon_threadsafe(stop)
        if self.received:  # between two scopes, such as while a balance was fetched
            scope.cancel()
        try:
            yield
        finally:
            self._wake = None

    @property
    def name(self) -> str:
        """What stopped the command, as a user would say it."""
        received = self.received or signal.SIGINT
        return "Ctrl-C" if received is signal.SIGINT else received.name

    @property
    def exit_code(self) -> ExitCode:
        """The exit code for the signal that came; DONE if none did."""
        return ExitCode(_OF_SHELLS + self.received) if self.received else ExitCode.DONE

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            self._end_at_once(ExitCode(_OF_SHELLS + self.received))
        # The first signal decides the exit code, whatever else an impatient user sends.
        self.received = self.received or signal.Signals(number)
        if self._wake:
            self._wake()
            return
        with suppress(RuntimeError):  # standard error was being written, and cannot be entered twice
            self._on_signal()

    def _end_at_once(self, code: ExitCode) -> None:
        from cleanlist_async.cli.terminal.in_flight import in_flight

        at_server = in_flight.summary
        complain_and_exit(
            f"ended at once, with {at_server} at the server, which may have done what was asked."
            if at_server
            else "ended at once.",  # what the first signal cut off may have been done
            code,
        )


def _signals() -> list[signal.Signals]:
    signals = [signal.SIGINT, signal.SIGTERM]
    # Others that handle it, or ignore it as nohup does, go on without a terminal.
    if _HANG_UP is not None and signal.getsignal(_HANG_UP) is signal.SIG_DFL:
        signals.append(_HANG_UP)
    return signals


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
        sys.stdout, sys.stderr = (cast("TextIO", _Guarded(stream, self._give_up)) for stream in self._streams)
        if _HANG_UP is not None and self._survives:
            self._before = signal.signal(_HANG_UP, self._hang_up)
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._streams
        # With the terminal gone, SIGHUP stays handled: it may come once more while the process ends.
        if _HANG_UP is not None and self._survives and not self.is_gone:
            signal.signal(_HANG_UP, cast("signal.Handlers", self._before))

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
