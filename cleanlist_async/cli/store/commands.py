"""The commands on the store of what was bought: store show, purge, forget, resolve, and audit."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cleanlist_async.cli.store.location import DAY_S, StoreLocation, actor, size
from cleanlist_async.cli.terminal.asking import confirm
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.help import CommandGroup
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    CompanyName,
    Domain,
    FileLayout,
    FirstName,
    LastName,
    Map,
    NoConfirmation,
    StoreOption,
    Yes,
)
from cleanlist_async.cli.terminal.render import (
    clean,
    open_console,
    plural,
    print_fields,
    print_json,
    print_line,
    print_table,
    say,
    show_command,
)
from cleanlist_async.cli.terminal.wording import PLACEHOLDER
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.contacts.contact import Contact
    from cleanlist_async.storage.store.audit import AuditLine
    from cleanlist_async.storage.store.records import OrphanedSubmit, StoreCounts
    from cleanlist_async.storage.store.store import Store

app = CommandGroup("Show, purge and settle what was bought.")

_UNDECIDED: Final = ("sending", "unknown", "lost")
_OUT_OF_REACH: Final = (
    "Not deleted, as the store does not have them: journals (job purge), files that were written, logs,"
    " backups, and what Cleanlist itself keeps."
)


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """A person, by what is known of them."""

    email: Annotated[
        str | None, typer.Option("--email", metavar="ADDRESS", help="E-mail address of the person.")
    ] = None
    linkedin: Annotated[
        str | None,
        typer.Option("--linkedin", "--linkedin-url", metavar="URL", help="LinkedIn profile of the person."),
    ] = None
    first_name: FirstName = None
    last_name: LastName = None
    company_name: CompanyName = None
    domain: Domain = None

    def people(self, source: str | None, table: TableOptions) -> list[Contact]:
        """Return whom the command is about: this person, or those of a file.

        Raises CommandError for nobody, and for what may be several people.
        """
        from cleanlist_async.contacts.contact import Contact
        from cleanlist_async.storage.store.person import Person

        if (source is None) == (self == NamedPerson()):
            raise CommandError(
                "name one person, such as --email ADDRESS, or else a file of people.", ExitCode.USAGE
            )
        if source is not None:
            rows = [(row.contact, f"row {row.number}: ") for row in table.open(source).rows()]
        else:
            person = Contact(
                linkedin_url=self.linkedin,
                first_name=self.first_name,
                last_name=self.last_name,
                company_name=self.company_name,
                company_domain=self.domain,
                email=self.email,
            )
            rows = [(person, "")]
        for contact, where in rows:
            try:
                Person.of(contact)
            except ConfigurationError as error:
                message = f"{where}{error.problem} Nothing was deleted."
                raise CommandError(message, ExitCode.USAGE) from error
        return [contact for contact, _ in rows]


@app.command("show")
def show(*, store: StoreOption = None, as_json: AsJSON = False) -> None:
    """Show what the store holds, and submits without an outcome."""
    console, location = open_console(), StoreLocation(store)

    async def look(opened: Store) -> tuple[str, StoreCounts, list[OrphanedSubmit]]:
        return location.shown(opened), await opened.counts(), await opened.orphans()

    name, counts, submits = location.ask(look)
    if as_json:
        print_json({"store": name, **asdict(counts), "orphans": [asdict(one) for one in submits]})
        return
    print_fields(
        [
            ("store", name),
            ("results", counts.results),
            ("under way", plural(counts.under_way, "contact")),
            ("size", size(counts.size_bytes)),
        ]
    )
    if not submits:
        return
    print_line()
    print_table(
        ("submit", "state", "contacts", "type", "sent (UTC)", "workflow", "job", "why"),
        [
            (
                one.submission,
                one.state,
                one.contacts,
                one.enrichment_type,
                f"{datetime.fromtimestamp(one.at, UTC):%Y-%m-%d %H:%M:%S}",
                one.workflow_id,
                one.job,
                one.reason,
            )
            for one in submits
        ],
        numbers=("contacts",),
    )
    if any(one.state == "accepted" for one in submits):
        say(console, "accepted: the same command again fetches these for free; job run NAME, those of a job.")
    undecided = [one for one in submits if one.state in _UNDECIDED]
    if undecided:
        say(console, "The others may have been paid for. Look in the portal, then record what you found:")
    for job in sorted({one.job for one in undecided if one.job}):
        show_command(console, shlex.join(["cleanlist-async", "job", "unknown", job, *location.typed]))
    if free := [one.submission for one in undecided if not one.job]:
        for how in (f"--workflow {PLACEHOLDER}", "--absent"):
            command = f"cleanlist-async store resolve {free[0]} {how}{location.as_typed()}"
            show_command(console, command)


@app.command("purge")
def purge(
    *,
    older_than: Annotated[
        float, typer.Option("--older-than", metavar="DAYS", min=0, help="Keep results of the last DAYS days.")
    ] = 0,
    yes: Yes = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Remove results from the store. What was removed is bought again when it is asked for."""
    if not yes:
        which = f"results older than {plural(older_than, 'day')}" if older_than else "all results"
        risk = f"this removes {which}, which are bought again when they are asked for"
        confirm(f"Remove {which}?", risk=risk, refusal="nothing was removed.")
    removed = StoreLocation(store).ask(lambda opened: opened.purge(older_than * DAY_S))
    if as_json:
        print_json({"removed": removed})
    else:
        say(open_console(), f"{plural(removed, 'result')} removed.")


@app.command("forget")
def forget(
    source: Annotated[
        str | None, typer.Argument(metavar="[PEOPLE]", help="A file of people, read as enrich reads one.")
    ] = None,
    *,
    person: NamedPerson,
    mapping: Map = None,
    layout: FileLayout,
    yes: NoConfirmation = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Delete the data of a person: results, and rows in all jobs, whatever they are called by.

    An unfinished job does not send them any more. The audit trail and all sums stay, without contacts.
    """
    from cleanlist_async.cli.enrich.inputs import TableOptions

    wanted = person.people(source, TableOptions.parse(mapping, layout))
    whom = "this person" if source is None else f"the people of {source} ({len(wanted):,})"
    if not yes:
        risk = f"this deletes what the store has of {whom}, for good"
        confirm(f"Delete what the store has of {whom}?", risk=risk, refusal="nothing was deleted.")
    gone = StoreLocation(store).ask(lambda opened: opened.forget(*wanted, actor=actor()))
    if as_json:
        print_json({"results": gone.results, "rows": gone.rows})
        return
    console = open_console()
    say(console, f"Deleted: {plural(gone.results, 'result')}, {plural(gone.rows, 'row')} of jobs.")
    say(console, _OUT_OF_REACH)


@app.command("resolve")
def resolve(
    submission: Annotated[str, typer.Argument(metavar="SUBMIT", help="A submit, as store show names it.")],
    *,
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="ID", help="The server has it, as this workflow.")
    ] = None,
    absent: Annotated[
        bool, typer.Option("--absent", help="The server does not have it: its contacts may be bought.")
    ] = False,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """Record what became of a submit of unknown outcome, or give up an accepted one. Sends nothing itself."""
    if workflow == PLACEHOLDER:
        raise CommandError(f"put the id of the workflow in place of {PLACEHOLDER}.", ExitCode.USAGE)
    if (workflow is None) == (not absent):
        raise CommandError("pass either --workflow ID or --absent.", ExitCode.USAGE)

    location = StoreLocation(store)

    async def decide(opened: Store) -> None:
        try:
            await opened.resolve(submission, workflow_id=workflow, absent=absent, actor=actor())
        except ConfigurationError as error:
            shown = f"cleanlist-async store show{location.as_typed()}"
            raise CommandError(f"{error.problem} See: {shown}", ExitCode.USAGE) from error

    location.ask(decide)
    if as_json:
        print_json({"submission": submission, "workflow_id": workflow})
    else:
        say(
            open_console(),
            "Recorded. The same command again goes on with its contacts; for a job, job run.",
        )


def audit(
    *,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="From this day or time on: 2026-11-01, 2026-11-01T18:30."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Before this day or time, written in the same way.")
    ] = None,
    store: StoreOption = None,
    as_json: AsJSON = False,
) -> None:
    """List each submit, answer, result and decision, then the sums."""
    start, end, sums = _moment("--since", since), _moment("--until", until), _AuditSums()
    lines: list[AuditLine] = []

    async def read(opened: Store) -> None:
        if not as_json:
            say(open_console(), f"Times are those of this machine: {datetime.now().astimezone():%Z, UTC%z}.")
        async for line in opened.audit(start, end):
            sums.add(line)
            if as_json:
                lines.append(line)
            else:
                print_line(_line(line))

    StoreLocation(store).ask(read)
    if as_json:
        shown: list[JSON] = [{**asdict(line), "at": line.at.isoformat()} for line in lines]
        print_json({"lines": shown, "sums": sums.as_json()})
    else:
        print_line(str(sums))


def _moment(option: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f'{option} takes a date, with a time or without, such as 2026-11-01T18:30, not "{text}".',
            ExitCode.USAGE,
        ) from None


def _line(line: AuditLine) -> str:
    facts = (
        "" if line.contacts is None else plural(line.contacts, "contact"),
        "" if line.credits is None else plural(line.credits, "credit"),
        "" if line.reserved is None else f"at most {plural(line.reserved, 'credit')}",
        line.door or "",
        f"submit {line.submission}" if line.submission else "",
        f"workflow {line.workflow_id}" if line.workflow_id else "",
        f"by {line.actor}" if line.actor else "",
        line.reason or "",
    )
    parts = [f"{line.at.astimezone():%Y-%m-%d %H:%M:%S}", f"{line.event:<8}", *filter(None, facts)]
    return clean("  ".join(parts), None)


class _AuditSums:
    """The sums at the end of an audit trail."""

    def __init__(self) -> None:
        self._lines = Counter[str]()
        self._contacts = Counter[str]()
        self._credits = 0.0

    def add(self, line: AuditLine) -> None:
        self._lines[line.event] += 1
        self._contacts[line.event] += line.contacts or 0
        self._credits += line.credits or 0.0

    def __str__(self) -> str:
        sent, settled = self._contacts["submit"], self._contacts["settled"]
        return (
            f"{plural(self._lines['submit'], 'submit')} of {plural(sent, 'contact')}; "
            f"{plural(settled, 'contact')} settled for {plural(self._credits, 'credit')}"
        )

    def as_json(self) -> dict[str, JSON]:
        return {
            "lines": dict(self._lines),
            "contacts_sent": self._contacts["submit"],
            "contacts_settled": self._contacts["settled"],
            "credits": self._credits,
        }
