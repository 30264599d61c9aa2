"""A server that accepts and never answers: what is waited for is said, and Ctrl-C ends at once."""

import asyncio
import logging
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from cleanlist_async.cli.terminal.in_flight import InFlight
from cleanlist_async.sandbox import Fault
from tests.cli.command_line import ROWS, Finished, until
from tests.support.clients import respond, virtual_client


def slow(seconds):
    async def answer(request, number):
        await asyncio.sleep(seconds)
        return respond({"credits": 1})

    return answer


async def notes_of(seconds, calls, caplog, **options):
    watch = InFlight()
    during = []
    with caplog.at_level(logging.WARNING, "cleanlist_async.cli"):
        async with virtual_client(slow(seconds), on_event=watch.follow(3, 60.0), **options) as client:
            asyncio.get_running_loop().call_later(seconds / 2, lambda: during.append(watch.summary))
            await asyncio.gather(*(client.public.credits_balance() for _ in range(calls)))
    assert watch.summary == ""
    return caplog.messages, during


async def test_an_answer_that_takes_longer_than_five_seconds_is_noted_with_attempt_and_limit(caplog):
    notes, during = await notes_of(12, 1, caplog)
    assert notes == ["no answer yet to credits_balance after 5 s: attempt 1 of 3, each at most 60 s"]
    assert during == ["1 credits_balance"]


async def test_an_answer_that_comes_earlier_is_not_noted(caplog):
    notes, _ = await notes_of(4.5, 8, caplog)
    assert notes == []


async def test_of_many_requests_that_take_long_one_is_noted(caplog):
    notes, during = await notes_of(12, 8, caplog)
    assert len(notes) == 1
    assert during == ["8 credits_balance"]


# -- the command line --------------------------------------------------------------------------------


@pytest.fixture
def waiting(cli, serve):
    """Starts a command whose first request is never answered, and waits until it is sent."""
    cli.write(ROWS)

    with ExitStack() as servers:

        def start(*command, at="*"):
            sandbox = servers.enter_context(serve(faults=[Fault(at, delay_s=300.0)]))
            process = cli.start(*command)
            until(lambda: any(one.path.endswith(at.strip("*")) for one in sandbox.ledger.requests))
            return process

        yield start


@pytest.mark.slow
def test_a_server_that_never_answers_is_told_of_after_five_seconds(cli, waiting):
    process = waiting("credits")
    line = process.stderr.readline()
    assert "no answer yet to credits_balance after 5 s: attempt 1 of 5" in line
    process.send_signal(signal.SIGINT)
    assert cli.finish(process).code == 130


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "at"),
    [
        (("enrich", "in.csv", "-o", "out.csv", "--yes"), "*/enrich/bulk"),
        (("job", "start", "in.csv", "--journal", "j", "--yes"), "*/enrich/bulk"),
    ],
    ids=lambda given: " ".join(given[:2]) if isinstance(given, tuple) else "",
)
def test_a_second_ctrl_c_ends_a_paid_request_at_once_and_names_it(cli, waiting, command, at):
    process = waiting(*command, at=at)
    process.send_signal(signal.SIGINT)
    assert any(line.startswith("Stopping") for line in process.stderr)
    process.send_signal(signal.SIGINT)
    done = cli.finish(process)
    assert done.code == 130
    assert "ended at once, with 1 " in done.err


@pytest.mark.slow
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_second_ctrl_c_while_the_command_ends_is_not_taken_for_a_first(waiting, is_alone):
    process = waiting("list", "create", "Prospects", at="*/lead-lists")
    process.send_signal(signal.SIGINT)
    assert any(line.startswith("Stopping") for line in process.stderr)
    if not is_alone:
        process.send_signal(signal.SIGINT)
    rest = process.stderr.read()  # where some of it may have been read already
    done = Finished(process.wait(60), "", rest)
    # As Python ends, it takes its handlers off; what was to be said is said by then.
    assert done.code == 130 or (done.code == -signal.SIGINT and not is_alone)
    stopped, *ended = (line for line in done.err.splitlines() if line.startswith("error:"))
    assert stopped in {
        "error: stopped; the server may have done what was asked.",
        "error: ended at once, with 1 create_list at the server, which may have done what was asked.",
        "error: ended at once.",
    }
    assert ended in ([], ["error: ended at once."])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "at"),
    [
        (("enrich", "in.csv", "-o", "out.csv", "--yes"), "*/credits/balance"),
        (("job", "run", "crm", "in.csv", "--yes"), "*/auth/validate-key"),
        (("doctor",), "*"),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_ctrl_c_before_anything_is_spent_says_that_nothing_was_sent(cli, waiting, command, at):
    process = waiting(*command, at=at)
    process.send_signal(signal.SIGINT)
    done = cli.finish(process)
    assert done.code == 130
    assert done.error == "error: stopped; nothing was sent."


def run_python(cli, program):
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=cli.folder,
        env=cli.env,
        capture_output=True,
        text=True,
        check=False,
    )


IMPATIENT = """
import io, os, signal, sys
from cleanlist_async.cli.terminal.signals import StopSignals

class Terminal(io.RawIOBase):
    def fileno(self):
        return 2

    def writable(self):
        return True

    def write(self, line):
        written = os.write(2, line)
        for _ in range({times}):
            signal.raise_signal(signal.SIGINT)
        return written

sys.stderr = io.TextIOWrapper(io.BufferedWriter(Terminal()))
with StopSignals(lambda: print("Stopping.", file=sys.stderr, flush=True)):
    print("a line", file=sys.stderr, flush=True)
"""


@pytest.mark.slow
def test_ctrl_c_while_a_line_is_written_is_no_fault(cli):
    done = run_python(cli, IMPATIENT.format(times=1))
    assert done.returncode == 0
    assert done.stderr.startswith("a line\n")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_second_ctrl_c_while_a_line_is_written_says_what_was_at_the_server(cli):
    done = run_python(cli, IMPATIENT.format(times=2))
    assert done.returncode == 130
    assert done.stderr == "a line\nerror: ended at once.\n"


INTERRUPTED = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
sys.argv = ["cleanlist-async", "plan", "in.csv"]
from cleanlist_async.__main__ import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["cleanlist_async.cli.app", "typer", "cleanlist_async.tables", "cleanlist_async.enrich.plan"]
)
def test_ctrl_c_while_modules_load_prints_no_traceback(cli, module):
    cli.write(ROWS)
    done = run_python(cli, INTERRUPTED.format(module=module))
    assert done.returncode in {130, -signal.SIGINT}
    assert "Traceback" not in done.stderr
