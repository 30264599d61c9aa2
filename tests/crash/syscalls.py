"""kill -9 and I/O errors at every system call that writes the journal or talks to the server.

Needs strace, which does both to the very call. ::

    python -m tests.crash.syscalls --modes plain,tracked --stride 1 --jobs 2
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from tests.crash.aftermath import aftermath, life_in, report_of_undisturbed, totals
from tests.crash.figures import EVERY, finish, folder, guarded, options_of, spread
from tests.crash.processes import Child, Death, ServerProcess, run_life
from tests.crash.work import Life

DISK = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink")
WIRE = ("connect", "sendto", "recvfrom")
INJECTIONS = (
    *((call, "signal=SIGKILL") for call in (*DISK, *WIRE)),
    *((call, f"error={error}") for call in DISK for error in ("ENOSPC", "EIO")),
    *((call, "error=ECONNRESET") for call in WIRE),
)


def main(arguments: list[str] | None = None) -> int:
    options = options_of("syscalls", arguments, modes="plain,tracked", only="", jobs=2, **EVERY)
    if not is_available():
        sys.stderr.write("strace is not here, or may not attach: nothing was tested\n")
        return 2
    started, failures = time.monotonic(), []
    figure: dict = {"what": "kill -9 and errors at system calls"}
    for mode in options.modes.split(","):
        counts = count_calls(mode)
        cases = [(mode, call, how, n) for call, how in INJECTIONS for n in range(1, counts[call] + 1)]
        cases = cases[options.first :: options.stride]
        if options.only:
            call, how, number = options.only.split(":")
            cases = [(mode, call, how, int(number))]
        ends = spread(cases, strike, options.jobs)
        figure[mode] = {
            "calls": dict(counts),
            "kills": sum(end["killed"] for end in ends),
            "errors": sum(end["injected"] and not end["killed"] for end in ends),
            **totals(ends),
            "stopped_by_the_disk": sum(end["stopped"] for end in ends),
            "paid_requests_after_that": sum(end["paid_after"] for end in ends),
            "questions_on_their_way_then": max((end["free_after"] for end in ends), default=0),
        }
        failures += [end for end in ends if end["problem"]]
    return finish(figure, failures, started)


def is_available() -> bool:
    """Whether there is a strace here that may attach to a process."""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return tried.returncode == 0


def run_traced(start: Callable[[int], Child], log: Path, injection: str = "") -> Death:
    """Run a process that strace attaches to before it begins; *start* takes the pipe that says when."""
    holding, release = os.pipe()
    child = start(holding)
    os.close(holding)
    strace = subprocess.Popen(
        [
            "strace", "-f", "-qq", "-s", "48", "-o", str(log), "-p", str(child.pid),
            "-e", "trace=" + ",".join((*DISK, *WIRE)),
            *(("-e", f"inject={injection}") if injection else ()),
        ],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    _wait_until_attached(child.pid, strace)
    os.write(release, b"go")
    os.close(release)
    end = child.end()
    strace.communicate()
    return end


def _wait_until_attached(pid: int, strace: subprocess.Popen) -> None:
    status = Path(f"/proc/{pid}/status")
    while f"TracerPid:\t{strace.pid}" not in status.read_text():
        if strace.poll() is not None:
            raise RuntimeError(f"strace: {strace.stderr.read().decode()}")
        time.sleep(0.002)
    time.sleep(0.005)  # it has attached, and sets its options


def count_calls(mode: str) -> Counter[str]:
    """Count the system calls of a run that nobody disturbs."""
    with folder() as place, ServerProcess() as server:
        log = Path(place) / "strace.log"
        report_of_undisturbed(run_traced(_start_of(life_in(Path(place), server, mode)), log))
        return calls_in(log)


def calls_in(log: Path) -> Counter[str]:
    """Return how often each call was made, at most, by one thread: strace counts them apart."""
    made = re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE)
    counts = Counter[str]()
    for (_, call), times in Counter(made).items():
        counts[call] = max(counts[call], times)
    return counts


def _start_of(life: Life) -> Callable[[int], Child]:
    return lambda pipe: run_life(life, kill_at=-1, wait_for=pipe)


def strike(cases: Iterable[tuple[str, str, str, int]]) -> Iterable[dict]:
    with ServerProcess() as server:
        for mode, call, how, number in cases:
            with folder() as place:
                run = partial(_strike, Path(place), server, mode, call, how, number)
                found = guarded(run, killed=False, injected=False, stopped=False, paid_after=0, free_after=0)
            command = f"python -m tests.crash.syscalls --modes {mode} --only {call}:{how}:{number}"
            yield {"command": command, **found}


def _strike(place: Path, server: ServerProcess, mode: str, call: str, how: str, number: int) -> dict:
    """Disturb one call of a run, audit what it left, resume it to the end, and audit that."""
    server.ask("reset")
    life, log = life_in(place, server, mode), place / "strace.log"
    death = run_traced(_start_of(life), log, f"{call}:{how}:when={number}")
    traced = log.read_text()
    after = aftermath(life, server)
    on_disk = call in DISK and how.startswith("error")
    if on_disk and "(INJECTED)" in traced:
        after.problems.extend(_not_clean(death))
    stopped = on_disk and death.report is not None and death.report.get("state") != "complete"
    paid, free = requests_after(traced, "POST"), requests_after(traced, "GET")
    if stopped and paid:
        after.problems.append(f"{paid} paid requests were sent after the error")
    return after.told(
        killed=death.signal == 9,
        injected="(INJECTED)" in traced or death.signal == 9,
        stopped=stopped,
        paid_after=paid if stopped else 0,
        free_after=free if stopped else 0,
    )


def _not_clean(death: Death) -> list[str]:
    """A disk error ends the run with a JournalError, or it was of no consequence: nothing else."""
    told = (death.report or {}).get("error", "")
    if told and "cleanlist_async.errors.JournalError" not in told.strip().splitlines()[-1]:
        return [f"the error came out as {told.strip().splitlines()[-1]}"]
    return []


def requests_after(traced: str, method: str) -> int:
    """Count the requests that left after the disturbed call."""
    _, _, after = traced.partition("(INJECTED)")
    return len(re.findall(rf'^\d+ +sendto\(\d+, "{method} ', after, re.MULTILINE))


if __name__ == "__main__":
    sys.exit(main())
