"""The demonstration: invented people through a real server on this machine, checked row by row."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import anyio
from rich.console import Console

from cleanlist_async.checks import check_enrichment_type
from cleanlist_async.cli.demo.people import write_people
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts, TableOptions, check_output, survey
from cleanlist_async.cli.enrich.report import exit_code, show_outcome
from cleanlist_async.cli.enrich.result_file import Job, Outcome, run
from cleanlist_async.cli.serving import import_sandbox
from cleanlist_async.cli.terminal import render
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.output import print_json
from cleanlist_async.cli.terminal.progress import showing, warnings_shown
from cleanlist_async.cli.terminal.stopping import StopSignals
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.contacts.contact import API_FIELDS, Contact
from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.facts import WINDOW_S, EnrichmentType
from cleanlist_async.ratelimit import RateLimits

if TYPE_CHECKING:
    from cleanlist_async.sandbox import Sandbox

_WORKFLOW_SHARES: Final = (0.2, 0.5)
"""Seconds that a simulated workflow takes, as shares of the window: shortest and longest."""
# The demo is about the rate limit, so the balance must never be what ends it.
_PLENTY_OF_CREDITS: Final = 1e12


_WITH_A_FRAME: Final = (
    'leads = pl.read_excel("leads.xlsx")',
    "async with AsyncCleanlist() as client:",
    "    print(await client.plan_frame(leads))",
    "    enriched = await client.enrich_frame(leads, max_credits=500)",
    'enriched.write_parquet("enriched.parquet")',
)


@dataclass(frozen=True, slots=True)
class Demo:
    """The command ``demo``, as it was typed."""

    output: str
    contacts: int
    enrichment_type: EnrichmentType
    window_s: float
    overwrite: bool
    as_json: bool

    def carry_out(self, console: Console) -> ExitCode:
        """Invent people, enrich them through the sandbox, and check the file against its ledger."""
        check_enrichment_type(self.enrichment_type)
        if self.contacts < 1:
            raise CommandError("--contacts must be at least 1.", ExitCode.USAGE)
        sandbox = self._sandbox()
        with tempfile.TemporaryDirectory(prefix="cleanlist-demo-") as folder:
            source = str(Path(folder) / "contacts.csv")
            # Through a file, as the real command has it: reading and writing are part of what is shown.
            write_people(source, self.contacts)
            table = TableOptions().open(source)
            check_output(self.output, table, overwrite=self.overwrite)
            plan, contacts = survey(table, self.enrichment_type, self._limits)
            self._introduce(console, sandbox, plan)
            with warnings_shown(console), StopSignals(lambda: render.say(console, "Stopping.")) as signals:
                outcome = anyio.run(self._run, console, sandbox, contacts, signals)
        return self._report(console, sandbox, outcome, signals)

    @property
    def _limits(self) -> RateLimits:
        return RateLimits(window_s=self.window_s)

    def _sandbox(self) -> Sandbox:
        shortest, longest = (share * self.window_s for share in _WORKFLOW_SHARES)

        def workflow_s(random: Random) -> float:
            return random.uniform(shortest, longest)

        limits = self._limits
        return import_sandbox()(
            window_s=limits.window_s,
            org_limit=limits.org,
            key_limit=limits.key,
            workflow_s=workflow_s,
            credits=_PLENTY_OF_CREDITS,
            half_full_price="full",  # what the client counts where the price list is silent
        )

    def _introduce(self, console: Console, sandbox: Sandbox, plan: Plan) -> None:
        speed = WINDOW_S / self.window_s
        render.say(
            console,
            f"Enriching {render.plural(plan.contacts, 'invented contact')} through a local server.",
        )
        render.say(
            console,
            f"Its rate limit is the real one, {sandbox.key_limit} requests per window, but the window is"
            f" {self.window_s:g} s: {speed:g} times as fast.",
        )

    async def _run(
        self, console: Console, sandbox: Sandbox, contacts: TableContacts, signals: StopSignals
    ) -> Outcome:
        job = Job(contacts, self.output, self.enrichment_type, overwrite=self.overwrite)
        async with sandbox:
            client = AsyncCleanlist(sandbox.api_key, base_url=sandbox.base_url, rate_limits=self._limits)
            async with client:
                with showing(console, len(contacts), self.window_s) as display:
                    return await run(client, job, display, signals)

    def _report(self, console: Console, sandbox: Sandbox, outcome: Outcome, signals: StopSignals) -> ExitCode:
        ledger, used = sandbox.ledger, outcome.summary.requests
        busiest = ledger.busiest_window(self.window_s, sandbox.api_key)
        # A window that has begun allows all its requests.
        windows = max(1, math.ceil(outcome.summary.elapsed_s / self.window_s))
        allowed = windows * sandbox.key_limit
        more = (
            ("429 answers", f"{ledger.count(429):,}", "as the server counted them"),
            (
                "limit",
                f"{busiest} of {sandbox.key_limit}",
                f"in the busiest {self.window_s:g} s, as the server saw it",
            ),
            (
                "limit used",
                f"{used / allowed:.0%}",
                f"{used:,} of the {allowed:,} requests it allows in that time",
            ),
        )
        show_outcome(console, outcome, self.output, more, enrichment_type=self.enrichment_type)
        code = exit_code(outcome, signals)
        if outcome.tally.pending:
            render.say(console, "The sandbox has stopped, so pending results are lost: run the demo again.")
        # A stopped run has rows without results, which the check would call mistakes.
        mistakes = self._check(console, sandbox) if code is ExitCode.DONE else []
        if self.as_json:
            answer = outcome.tally.as_json()
            print_json(
                {**answer, "requests": used, "rejected_429": ledger.count(429), "mistakes": len(mistakes)}
            )
        if mistakes:
            raise CommandError(f"{self.output}: {mistakes[0]} ({len(mistakes):,} in all).", ExitCode.REFUSED)
        if code is ExitCode.DONE:
            render.say(console, "Next: cleanlist-async enrich YOUR.csv -o OUT.csv --dry-run")
            render.say(console, "Or in Python, with a data frame:")
            for line in _WITH_A_FRAME:
                render.show_command(console, line)
        return code

    def _check(self, console: Console, sandbox: Sandbox) -> list[str]:
        table = EnrichedTable.open(self.output, TableOptions())
        mistakes = list(mistakes_in(table, sandbox, self.enrichment_type))
        if not mistakes:
            bought = len(sandbox.ledger.times_accepted())
            render.say(
                console,
                f"Checked row by row against the server's ledger: {render.plural(bought, 'contact')} bought,"
                " each once, and every e-mail is in its own row.",
            )
        return mistakes


def mistakes_in(table: EnrichedTable, sandbox: Sandbox, enrichment_type: EnrichmentType) -> Iterator[str]:
    """Compare each row of a finished file with what the server's ledger says, and yield what differs."""
    accepted = sandbox.ledger.times_accepted()
    # Recomputed from the file alone: what the client says of itself proves nothing.
    spent, needed = 0.0, set[tuple[str, ...]]()
    for row, cells in table.rows():
        spent += float(cells["cleanlist_credits"] or 0)
        if not isinstance(prepare(row.index, row.contact), Prepared):
            if cells["cleanlist_status"] != "invalid":
                yield f"row {row.number} should be invalid, not {cells['cleanlist_status']}"
            continue
        needed.add(_identity(row.contact))
        truth = sandbox.expected(row.contact, enrichment_type)
        if cells["cleanlist_email"] != (truth.email or "") or cells["cleanlist_phones"] != "; ".join(
            truth.phones
        ):
            yield f"row {row.number} has another result than the server found"
    if any(times > 1 for times in accepted.values()):
        yield "a contact was bought twice"
    if accepted.keys() != needed:
        yield "what was bought is not what the file holds"
    # Exact, though they are floats: every price is a whole number of credits.
    if spent != sandbox.ledger.credits_charged:
        yield f"the file says {spent:g} credits, the server took {sandbox.ledger.credits_charged:g}"


def _identity(contact: Contact) -> tuple[str, ...]:
    return tuple(getattr(contact, name) or "" for name in API_FIELDS)
