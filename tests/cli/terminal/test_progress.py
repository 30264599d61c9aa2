import io
from dataclasses import replace

import pytest
from rich.console import Console

from cleanlist_async.cli.terminal import progress as shown
from cleanlist_async.enrich.report import Progress
from cleanlist_async.events.statistics import BatchStatistics, Statistics

PROGRESS = Progress(
    done=250, total=800, found=200, credits=200, requests=4, open_workflows=6, elapsed_s=25, eta_s=90
)
STATISTICS = Statistics(
    requests=4,
    answered=4,
    rejected_429=0,
    retries=0,
    waited_s=0,
    waiting=0,
    status_requests=0,
    detached_workflows=(),
    buckets=(),
    available=1,
    paused_for_s=0,
    enrich_one=BatchStatistics(),
)


class Clock:
    """A clock that stands until it is moved."""

    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def console(**options):
    return Console(file=io.StringIO(), width=200, highlight=False, **options)


def lines_of(console):
    return console.file.getvalue().splitlines()


def test_a_log_gets_a_line_every_ten_seconds_also_while_nothing_happens(clock):
    log = console()
    lines = shown.Lines(log, 60, clock)
    lines.update(replace(PROGRESS, at_server=6, oldest_s=2), STATISTICS)
    assert lines_of(log) == []
    for _ in range(35):
        clock.now += 1
        lines.tick(STATISTICS)
    first, second, third = lines_of(log)
    assert (
        first == "250 of 800 contacts, 200 credits, 10/s, 1:30 left, 6 workflows at the server, oldest 12 s"
    )
    assert second.endswith("6 workflows at the server, oldest 22 s")
    assert third.endswith("oldest 32 s")


def test_the_wait_for_the_rate_limit_is_told_before_anything_is_at_the_server(clock):
    log = console()
    lines = shown.Lines(log, 60, clock)
    clock.now += 10
    lines.tick(replace(STATISTICS, waiting=3, eta_s=41.0))
    assert lines_of(log) == ["next request in 41 s"]
    clock.now += 10
    lines.tick(replace(STATISTICS, paused_for_s=130.0))
    assert lines_of(log)[1:] == ["next request in 2:10"]


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(clock):
    dumb = console(force_terminal=True, _environ={"TERM": "dumb"})
    with shown.showing(dumb, 800, 60, clock) as display:
        display.update(replace(PROGRESS, at_server=1, oldest_s=0), STATISTICS)
        clock.now += 10
        display.tick(STATISTICS)
    assert " ".join("".join(lines_of(dumb)).split()).endswith("1 workflow at the server, oldest 10 s")


def test_the_bar_has_below_it_what_is_waited_for(clock):
    terminal = console(force_terminal=True, _environ={"TERM": "xterm"})
    with shown.showing(terminal, 800, 60, clock) as display:
        display.update(replace(PROGRESS, at_server=2, oldest_s=3), STATISTICS)
        display.tick(replace(STATISTICS, waiting=1, eta_s=7.0))
        clock.now += 2
    assert "2 workflows at the server, oldest 5 s; next request in 5 s" in terminal.file.getvalue()


def test_a_run_that_a_budget_holds_says_so(clock):
    log = console()
    lines = shown.Lines(log, 60, clock)
    lines.update(replace(PROGRESS, at_server=2, eta_s=None, waits_for_credits=True), STATISTICS)
    clock.now += 11
    lines.tick(STATISTICS)
    assert lines_of(log)[0].endswith("; waiting for credits that may come back to the budget")
    assert " left" not in lines_of(log)[0]
