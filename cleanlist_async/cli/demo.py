"""The demonstration: invented people through a real server on this machine, checked row by row."""

from __future__ import annotations

import csv
import math
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from rich.console import Console

from cleanlist_async.checks import check_enrichment_type
from cleanlist_async.cli.enrich.enriched_table import EnrichedTable
from cleanlist_async.cli.enrich.inputs import TableContacts, TableOptions, check_output
from cleanlist_async.cli.enrich.outcome import Outcome, exit_code, show_outcome
from cleanlist_async.cli.enrich.result_file import Job, run
from cleanlist_async.cli.serving import import_sandbox
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.progress import showing, warnings_shown
from cleanlist_async.cli.terminal.render import plural, print_json, say, show_command
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.contacts.identity import Prepared, prepare
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
            contacts = TableContacts.read(table)
            self._introduce(console, sandbox)
            with warnings_shown(console), StopSignals(lambda: say(console, "Stopping.")) as signals:
                outcome = anyio.run(self._run, console, sandbox, contacts, signals)
        return self._report(console, sandbox, outcome, signals)

    @property
    def _limits(self) -> RateLimits:
        return RateLimits(window_s=self.window_s)

    def _sandbox(self) -> Sandbox:
        shortest, longest = (share * self.window_s for share in _WORKFLOW_SHARES)
        return import_sandbox()(
            window_s=self._limits.window_s,
            workflow_s=lambda random: random.uniform(shortest, longest),
            credits=_PLENTY_OF_CREDITS,
            half_full_price="full",  # what the client counts where the price list is silent
        )

    def _introduce(self, console: Console, sandbox: Sandbox) -> None:
        people = plural(self.contacts, "invented contact")
        say(console, f"Enriching {people} through a local server.")
        say(
            console,
            f"Its rate limit is the real one, {sandbox.key_limit} requests per window, but the window is"
            f" {self.window_s:g} s: {WINDOW_S / self.window_s:g} times as fast.",
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
            say(console, "The sandbox has stopped, so pending results are lost: run the demo again.")
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
            say(console, "Next: cleanlist-async enrich YOUR.csv -o OUT.csv --dry-run")
            say(console, "Or in Python, with a data frame:")
            for line in _WITH_A_FRAME:
                show_command(console, line)
        return code

    def _check(self, console: Console, sandbox: Sandbox) -> list[str]:
        table = EnrichedTable.open(self.output, TableOptions())
        mistakes = list(mistakes_in(table, sandbox, self.enrichment_type))
        if not mistakes:
            bought = len(sandbox.ledger.times_accepted())
            say(
                console,
                f"Checked row by row against the server's ledger: {plural(bought, 'contact')} bought,"
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
        needed.add(tuple(getattr(row.contact, name) or "" for name in API_FIELDS))
        truth = sandbox.expected(row.contact, enrichment_type)
        found = cells["cleanlist_email"], cells["cleanlist_phones"]
        if found != (truth.email or "", "; ".join(truth.phones)):
            yield f"row {row.number} has another result than the server found"
    if any(times > 1 for times in accepted.values()):
        yield "a contact was bought twice"
    if accepted.keys() != needed:
        yield "what was bought is not what the file holds"
    # Exact, though they are floats: every price is a whole number of credits.
    if spent != sandbox.ledger.credits_charged:
        yield f"the file says {spent:g} credits, the server took {sandbox.ledger.credits_charged:g}"


Row: TypeAlias = tuple[str, ...]

HEADERS: Final = ("Record ID", "First Name", "Last Name", "Company", "Website", "LinkedIn URL", "Notes")

_FIRST: Final = str.split(
    """
    Ana Lena Maya Noah Iris Omar Tariq Wanjiru Sören Zoë José Chloë Łukasz Jürgen Siobhán François Agnès
    Björn Ngozi Thandiwe Émile Øyvind Çağla Marta Dmitri Юлия Иван Ελένη 花子 太郎 小明 지훈 ليلى דוד प्रिया
    """
)
_LAST: Final = str.split(
    """
    Almeida Brandt Castillo Dvořák Eriksen Fontaine García Håkansson Iyer Jørgensen Kowalska Lindqvist Müller
    Nakamura Okafor Peña Quispe Rossi Şahin Tanaka Ueda Vögel Wójcik Xu Zieliński Петрова Παππάς 山田 王 김
    حداد כהן शर्मा O'Brien Smith-Jones
    """
)
_COMPANY: Final = str.split(
    """
    Amber Birch Cobalt Drift Ember Fjord Granite Harbour Indigo Juniper Kestrel Lumen Meridian Northwind
    Orchid Pebble Quartz Rowan Saffron Tundra Umbra Verdant Willow Xenon Yarrow Zephyr
    """
)
_TRADE: Final = ("Analytics", "Foods", "Logistics", "Robotics", "Labs", "Energy", "Studio", "Mobility")
_FORM: Final = ("GmbH", "Ltd", "Inc.", "S.A.", "AB", "SpA", "K.K.")
_NOTES: Final = (
    "",
    "",
    "",
    "met at the fair",
    'says "call me", then hangs up',
    "VIP; handle with care",
    "=1+1",
)

_REPEATED: Final = 0.03
_INCOMPLETE: Final = 0.01
_LINKEDIN_ONLY: Final = 0.45
_WITH_DOMAIN: Final = 0.75
_WITH_COMPANY: Final = 0.9


def people(count: int, seed: int = 7) -> Iterator[Row]:
    """Yield *count* rows under `HEADERS`: some are duplicates, and some lack what the API needs."""
    # Always the same people, so that two runs of the demo can be compared.
    random = Random(seed)  # noqa: S311 - nothing here is secret
    earlier: list[Row] = []
    for number in range(1, count + 1):
        if earlier and random.random() < _REPEATED:
            row = (f"D-{number:06}", *random.choice(earlier)[1:-1], "again")
        else:
            row = _person(random, number)
            earlier.append(row)
        yield row


def write_people(path: str, count: int) -> None:
    """Write *count* invented people to a CSV file."""
    with open(path, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123 - a path as it was given
        writer = csv.writer(stream)
        writer.writerow(HEADERS)
        writer.writerows(people(count))


def _person(random: Random, number: int) -> Row:
    first, last = random.choice(_FIRST), random.choice(_LAST)
    name, trade = random.choice(_COMPANY), random.choice(_TRADE)
    company = f"{name} {trade} {random.choice(_FORM)}"
    # The domain .example exists nowhere (RFC 2606): none of these people can be a real one.
    # At most 97 domains for one name, since real lists have many people of one company.
    website = f"https://www.{name}-{trade}-{number % 97}.example/".lower()
    profile = f"https://www.linkedin.com/in/example-{_plain(first)}-{_plain(last)}-{number}"
    return (
        f"D-{number:06}",
        *_known(random, (first, last, company, website, profile)),
        random.choice(_NOTES),
    )


def _known(random: Random, whole: Row) -> Row:
    """Leave out what an export would not know."""
    first, last, company, website, profile = whole
    if random.random() < _INCOMPLETE:
        return (first, "", company, "", "")
    share = random.random()
    if share < _LINKEDIN_ONLY:
        return ("", "", "", "", profile)
    if share < _WITH_DOMAIN:
        return (first, last, "", website, "")
    if share < _WITH_COMPANY:
        return (first, last, company, "", "")
    return whole


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters if letter.isalnum()) or "x"
