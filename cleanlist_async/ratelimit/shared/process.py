"""The processes that share a store: their names, whether one has ended, and the clock of its machine."""

from __future__ import annotations

import os
import socket
import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process. `id` is unique, also after a fork; `pid` has a meaning only within `place`."""

    id: str
    pid: int
    place: str


def this_process() -> Process:
    """Return a new name for the process that runs this."""
    return Process(uuid.uuid4().hex[:12], os.getpid(), _this_place())


def has_ended(process: Process) -> bool:
    """Whether *process* is known to have ended: it ran on this host, and its number is free."""
    # On Windows, os.kill acts on the process, whatever the signal.
    if os.name != "posix" or process.place != _this_place():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it belongs to another user
        return False
    return False


def boot_clock() -> float:
    """Return seconds since this machine was started, the same in all its processes.

    If the system has no clock that runs while it sleeps, tokens return later by the time that it slept.
    """
    if (clock := getattr(time, "CLOCK_BOOTTIME", None)) is not None:  # Linux
        return time.clock_gettime(clock)
    return time.monotonic()


def _this_place() -> str:
    """Return the host, its present boot, and the container in which process numbers are counted."""
    try:
        return f"{socket.gethostname()} {_boot_id()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


@cache
def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
