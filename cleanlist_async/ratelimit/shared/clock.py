"""The clock of a machine, the same in all its processes."""

from __future__ import annotations

import time


def boot_clock() -> float:
    """Return seconds since this machine was started, the same in all its processes.

    Where the system has no clock that goes on while it sleeps, tokens return later by as long as it slept.
    """
    if (clock := getattr(time, "CLOCK_BOOTTIME", None)) is not None:  # Linux
        return time.clock_gettime(clock)
    return time.monotonic()
