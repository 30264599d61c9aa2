"""The commands ``job run``, ``job start`` and ``job resume``: plan, ask, run, report."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio
from rich.console import Console

from cleanlist_async import facts
from cleanlist_async.cli.enrich.plan import show_columns
from cleanlist_async.cli.job.listening import listening, parse_address
from cleanlist_async.cli.job.live import Scene, View, showing
from cleanlist_async.cli.job.looking import export, input_of
from cleanlist_async.cli.job.order import JobOrder
from cleanlist_async.cli.job.show import Ending, Overview, show_pilot, status_figures
from cleanlist_async.cli.terminal.asking import agree_to_spend, get_consent, read_balance
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, complain
from cleanlist_async.cli.terminal.progress import warnings_shown
from cleanlist_async.cli.terminal.render import (
    plural,
    print_json,
    say,
    show_command,
    show_figures,
    show_notes,
)
from cleanlist_async.cli.terminal.signals import STOPPING, StopSignals, Terminal
from cleanlist_async.cli.terminal.wording import at_the_command_line, before_going_on, is_below
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.errors import (
    BudgetExceededError,
    CleanlistError,
    InsufficientCreditsError,
    JobLockedError,
    JournalError,
    UnknownOutcomeError,
)
from cleanlist_async.job.job import Job
from cleanlist_async.job.journal.records import ChunkState
from cleanlist_async.job.pilot import Pilot
from cleanlist_async.job.status import JobStatus
from cleanlist_async.tables import ContactTable, TableError

T = TypeVar("T")

_TICK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job at the command line; `is_new` says whether it is the first."""

    order: JobOrder
    console: Console
    terminal: Terminal
    is_new: bool

    def carry_out(self) -> ExitCode:
        """Plan, ask, run, report."""
        table = self.order.check()
        if table is not None:
            show_columns(self.console, table)
        with self._tidied_up():
            overview, balance = self._call(table, lambda client, job: self._overview(client, job, table))
            overview.show(self.console, table, balance)
            bought = self._buy_pilot(table, overview) if self.order.pilot is not None else None
            if isinstance(bought, Ending):  # stopped, or out of credits, before the sample was whole
                return self._report(bought)
            if not overview.was_sent:  # a resumed job was agreed to when it was started
                get_consent(overview.plan, self.order.consent)
        ending = self._watch(table, self._run)
        ending.pilot = bought
        if ending.is_finished and self.order.options.output is not None:
            self._export(table, ending, self.order.options.output)
        return self._report(ending)

    def look_at_finished(self) -> ExitCode:
        """Report on a job that has nothing left to do. Sends nothing, and needs no key."""
        order, output = self.order, self.order.options.output
        order.check_options()
        # What a finished job is resumed with is often newer, such as the rows of a database that has gone on.
        unread = f", and {order.source} was not looked at" if order.source and output is None else ""
        say(self.console, f"The job {order.memory.typed[0]} is finished. Nothing is sent{unread}.")
        status, _ = order.memory.status()
        ending = Ending(status)
        if output is not None:
            self._export(order.open_input(), ending, output)
        return self._report(ending)

    @contextmanager
    def _tidied_up(self) -> Generator[None]:
        """Remove a new job if the run does not start: no contacts, no connection or no yes."""
        try:
            yield
        except JobLockedError:  # begun by another meanwhile: not ours to remove
            raise
        except BaseException:  # Ctrl-C at the question too
            if self.is_new:
                # The error that is being raised matters more than one of tidying up.
                with suppress(CleanlistError, CommandError):
                    self.order.memory.discard_unsent()
            raise

    def _call(
        self,
        table: ContactTable | None,
        do: Callable[[AsyncCleanlist, Job], Awaitable[T]],
    ) -> T:
        """Open the client and the job, do one thing with it, and close both."""

        async def call() -> T:
            order = self.order
            store = order.memory.location.open()
            # The store outermost: the job and the client still write to it as they are closed.
            async with (
                store,
                order.options.connection.open(order.receiver(), store) as client,
                await order.open(client, table) as job,
            ):
                return await do(client, job)

        return anyio.run(call)

    async def _overview(
        self, client: AsyncCleanlist, job: Job, table: ContactTable | None
    ) -> tuple[Overview, float | None]:
        was_sent = (await job.status()).was_sent
        overview = Overview(await job.plan(), job.submit_mode, job.promise, job.lists_to_create, was_sent)
        if table is not None:
            show_notes(self.console, table.notes)
        return overview, await read_balance(client, self.console, must_connect=True)

    def _buy_pilot(self, table: ContactTable | None, overview: Overview) -> Pilot | Ending:
        kind = overview.plan.enrichment_type
        worst = facts.WORST_CASE_CREDITS.get(kind)
        if worst is None:
            raise CommandError(f"the cost of a pilot of {kind} has no upper bound.", ExitCode.USAGE)
        # A file may have fewer contacts than the sample that was asked for.
        size = min(self.order.pilot or 0, overview.plan.unique)
        agree_to_spend(f"A pilot of {plural(size, 'contact')}", float(size * worst), self.order.consent)
        bought = self._watch(table, self._pilot)
        if isinstance(bought, Pilot):
            show_pilot(self.console, bought)
        return bought

    # -- running -------------------------------------------------------------------------------

    def _watch(
        self, table: ContactTable | None, do: Callable[[AsyncCleanlist, Job, StopSignals], Awaitable[T]]
    ) -> T:
        """Do what spends credits, so that a signal stops it cleanly."""
        with StopSignals(lambda: say(self.console, STOPPING)) as signals:
            return self._call(table, lambda client, job: do(client, job, signals))

    async def _pilot(self, client: AsyncCleanlist, job: Job, signals: StopSignals) -> Pilot | Ending:
        bought: list[Pilot] = []
        size = self.order.pilot or 0

        async def buy() -> None:
            bought.append(await job.pilot(size))

        error = await self._with_view(client, job, signals, buy, min(size, (await job.plan()).unique))
        return bought[0] if bought else Ending(await job.status(), error, signals.exit_code)

    async def _run(self, client: AsyncCleanlist, job: Job, signals: StopSignals) -> Ending:
        async def run() -> None:
            (await job.run()).raise_for_error()

        error = await self._with_view(client, job, signals, run)
        ending = Ending(await job.status(), error, signals.exit_code)
        # The server names what the refused request lacks, which may be less than the rest of the job needs.
        if isinstance(error, InsufficientCreditsError):
            ending.shortfall = error.shortfall_credits or await _shortfall(client, job)
        return ending

    async def _with_view(
        self,
        client: AsyncCleanlist,
        job: Job,
        signals: StopSignals,
        work: Callable[[], Awaitable[None]],
        pilot: int | None = None,
    ) -> CleanlistError | None:
        """Work with a live view, until it is done, an error, or a signal. Returns the error."""
        # Raised within the group, an error would reach the caller wrapped in an ExceptionGroup.
        error: CleanlistError | None = None
        failure: Exception | None = None
        scope = anyio.CancelScope()
        window_s = self.order.options.connection.limits.window_s
        watch = _Watch(client, job, pilot, await job.status())
        address = parse_address(self.order.options.listen) if self.order.options.listen else None
        with showing(self.console, window_s, self.terminal) as view, signals.stopping(scope), scope:
            async with listening(client.webhooks, address), anyio.create_task_group() as group:
                group.start_soon(watch.follow, view)
                try:
                    await work()
                except CleanlistError as problem:
                    error = problem
                except Exception as problem:  # noqa: BLE001 - raised below, out of the group
                    failure = problem
                group.cancel_scope.cancel()  # view and listener end with the work
        if failure is not None:
            raise failure
        return error

    # -- reporting -----------------------------------------------------------------------------

    def _export(self, table: ContactTable | None, ending: Ending, output: str) -> None:
        memory, choice = self.order.memory, self.order.options.written.choice()
        try:
            with input_of(memory, table) as rows:
                _, notes = export(memory, rows, table, output, choice, overwrite=self.order.options.overwrite)
        except TableError as error:
            ending.file_error = error
        else:
            ending.written, ending.notes = output, notes

    def _report(self, ending: Ending) -> ExitCode:
        show_figures(self.console, status_figures(ending.status, is_running=False))
        show_notes(self.console, ending.notes)
        if ending.written is not None:
            say(self.console, f"Written: {ending.written}")
        for error in (ending.stopped_by, ending.file_error):
            if error is not None:
                complain(error)
        self._report_next_step(ending)
        if self.order.options.as_json:
            print_json(ending.as_json())
        return ending.exit_code

    def _report_next_step(self, ending: Ending) -> None:
        status, command = ending.status, self.order.resume_command(is_written=ending.written is not None)
        if ending.is_finished:
            self._report_open_chunks(status, command)
            return
        price = facts.WORST_CASE_CREDITS.get(status.enrichment_type)
        first = before_going_on(ending.stopped_by, price)
        match ending.stopped_by:
            case BudgetExceededError() if first is not None:
                say(self.console, f"{first}, then resume it:")
            case InsufficientCreditsError():
                amount = f", {plural(ending.shortfall, 'credit')} short" if ending.shortfall else ""
                say(self.console, f"Out of credits{amount}. Top up, then resume it:")
            case BudgetExceededError(max_credits=limit):
                # A number would suggest that we know how much the user wants to spend.
                command += " --max-credits N"
                least = f", at least {price}" if is_below(limit, price) else ""
                say(self.console, f"Resume it with a higher --max-credits{least}:")
            case UnknownOutcomeError() if status.chunks.get(ChunkState.UNKNOWN):
                self._report_open_chunks(status, command)
                return
            case _:
                say(self.console, "Everything that was sent is on record. Resume it:")
        show_command(self.console, command)

    def _report_open_chunks(self, status: JobStatus, command: str) -> None:
        unknown, what = status.chunks.get(ChunkState.UNKNOWN, 0), "chunk"
        if not unknown and status.state == "complete_with_unknown":  # submits of other calls hold contacts
            unknown, what = status.results.get("unknown", 0), "contact"
        if unknown:
            are = "is" if unknown == 1 else "are"
            say(
                self.console,
                f"{plural(unknown, what)} {are} unknown: perhaps accepted, perhaps paid for. Decide:",
            )
            command_ = shlex.join(["cleanlist-async", "job", "unknown", *self.order.memory.typed])
            show_command(self.console, command_)
        if unknown or status.state == "complete_with_unknown" or status.chunks.get(ChunkState.REFUSED):
            say(self.console, "Then resume it:" if unknown else "Ask for the rest:")
            show_command(self.console, command)
        elif self.order.options.output is None:
            beside = " beside the input" if self.order.source is not None else ""
            say(self.console, f"Write the results{beside}:")
            show_command(self.console, self.order.export_command())


class _Watch:
    """Shows where a job stands, twice a second."""

    def __init__(self, client: AsyncCleanlist, job: Job, pilot: int | None, status: JobStatus) -> None:
        self._client = client
        self._job = job
        self._pilot = pilot
        self._latest = status  # it is read once: later states come by the callback
        job.on_progress = self._note

    async def follow(self, view: View) -> None:
        while True:
            view.show(Scene(self._latest, self._client.statistics(), self._job.waits_for, self._pilot))
            await anyio.sleep(_TICK_S)

    def _note(self, status: JobStatus) -> None:
        self._latest = status


def start(console: Console, order: JobOrder) -> ExitCode:
    """Start a job with a new journal. A journal from which nothing was sent is planned again."""
    if order.memory.begun() is not None and not order.memory.discard_unsent():
        raise JournalError(
            f"{order.memory.typed[0]} is the journal of a job that has already started.",
            fix=f"Resume it: {order.resume_command()}",
        )
    with Terminal(survives=True) as terminal, warnings_shown(console):
        return Run(order, console, terminal, is_new=True).carry_out()


def resume(console: Console, order: JobOrder) -> ExitCode:
    """Resume a job as it was started."""
    if (begun := order.memory.begun()) is None:
        raise JournalError(f"There is no journal {order.memory.typed[0]}.")
    with Terminal(survives=True) as terminal, warnings_shown(console):
        run = Run(order.as_begun(begun), console, terminal, is_new=False)
        return run.look_at_finished() if order.adds_nothing_to(begun) else run.carry_out()


def start_or_resume(console: Console, order: JobOrder) -> ExitCode:
    """Start a job, or resume it as it was started."""
    is_told = False
    with Terminal(survives=True) as terminal, warnings_shown(console):
        while True:
            # Each time anew: the process that was waited for may have begun the job, or finished it.
            begun = order.memory.begun()
            if begun is None and order.source is None:
                raise CommandError(
                    f"there is no job {order.memory.typed[0]} yet; name its input.", ExitCode.USAGE
                )
            chosen = order if begun is None else order.as_begun(begun)
            run = Run(chosen, console, terminal, is_new=begun is None)
            try:
                if begun is not None and order.adds_nothing_to(begun):
                    return run.look_at_finished()
                return run.carry_out()
            except JobLockedError as locked:
                if not order.wait:
                    raise
                if not is_told:
                    say(console, f"{at_the_command_line(locked.problem)} Waiting for its end.")
                is_told = True
                order.wait_for_end()


async def _shortfall(client: AsyncCleanlist, job: Job) -> float | None:
    """Return the credits missing for the rest of the job at its worst case; None where that is unknown."""
    needed = (await job.status()).credits_to_go
    try:
        balance = (await client.public.credits_balance()).credits
    except CleanlistError:
        return None
    return None if needed is None or balance is None else max(0.0, needed - balance)
