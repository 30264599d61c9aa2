"""What a store holds, as a user sees it."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cleanlist_async.cli.terminal.output import print_fields, print_json, print_line, print_table
from cleanlist_async.cli.terminal.render import clean, plural, say, show_command
from cleanlist_async.cli.terminal.typed import PLACEHOLDER
from cleanlist_async.types import JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from cleanlist_async.cli.store.location import StoreLocation
    from cleanlist_async.storage.store.audit import AuditLine
    from cleanlist_async.storage.store.records import OrphanedSubmit, StoreCounts
    from cleanlist_async.storage.store.store import Store

_UNDECIDED: Final = ("sending", "unknown", "lost")
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")


def size(size_bytes: float) -> str:
    """Return a number of bytes in the unit that reads best."""
    for unit in _UNITS[:-1]:
        if size_bytes < 1_000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1_000
    return f"{size_bytes:.3g} {_UNITS[-1]}"


def show_store(
    console: Console,
    location: StoreLocation,
    store: Store,
    counts: StoreCounts,
    submits: Sequence[OrphanedSubmit],
    *,
    as_json: bool,
) -> None:
    """Show how much is in a store, and the submits whose results nobody has taken."""
    name = location.shown(store)
    if as_json:
        print_json({"store": name, **asdict(counts), "orphans": [asdict(one) for one in submits]})
        return
    print_fields(
        [
            ("store", name),
            ("results", f"{counts.results:,}"),
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
                f"{one.contacts:,}",
                one.enrichment_type,
                f"{datetime.fromtimestamp(one.at, UTC):%Y-%m-%d %H:%M:%S}",
                one.workflow_id or "",
                one.job or "",
                one.reason or "",
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


def line_of(line: AuditLine) -> str:
    """Return a line of the audit trail as text."""
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


def line_as_json(line: AuditLine) -> dict[str, JSON]:
    """Return a line of the audit trail for ``--json``."""
    return {**asdict(line), "at": line.at.isoformat()}


class AuditSums:
    """The sums at the end of an audit trail."""

    def __init__(self) -> None:
        self._lines = Counter[str]()
        self._contacts = Counter[str]()
        self._credits = 0.0

    def add(self, line: AuditLine) -> None:
        """Add a line."""
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
        """Return the sums for ``--json``."""
        return {
            "lines": dict(self._lines),
            "contacts_sent": self._contacts["submit"],
            "contacts_settled": self._contacts["settled"],
            "credits": self._credits,
        }


def summary(name: str, counts: StoreCounts | None) -> str:
    """Return one line on a store for the end of a run; None stands for one that cannot be read."""
    if counts is None:
        return f"{name}, which cannot be read now"
    return f"{name}: {plural(counts.results, 'result')}, {size(counts.size_bytes)}"
