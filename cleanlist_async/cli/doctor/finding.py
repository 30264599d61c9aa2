"""The outcome of a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from rich.table import Table
from rich.text import Text

from cleanlist_async.cli.terminal.render import grid
from cleanlist_async.redact import scrub
from cleanlist_async.tables.errors import on_one_line
from cleanlist_async.types import JSON

Status: TypeAlias = Literal["ok", "problem", "unknown"]

_STYLES: Final[dict[Status, str]] = {"ok": "green", "problem": "bold red", "unknown": "yellow"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: the check's name, how it ended, what was found, and how to fix it."""

    name: str
    status: Status
    detail: str
    fix: str | None = None
    data: dict[str, JSON] = field(default_factory=dict[str, JSON])

    def as_json(self) -> dict[str, JSON]:
        """Return it for ``--json``."""
        return {
            "name": self.name,
            "status": self.status,
            "detail": _safe(self.detail),
            "fix": None if self.fix is None else _safe(self.fix),
            "data": self.data,
        }


def failed(findings: Sequence[Finding]) -> bool:
    """Whether any check failed."""
    return any(finding.status == "problem" for finding in findings)


def as_table(findings: Sequence[Finding]) -> Table:
    """Return the findings, one a line, each with its fix."""
    table = grid()
    for finding in findings:
        # As Text: markup in what a server or an environment says would be interpreted in a plain string.
        line = Text(_safe(finding.detail))
        if finding.fix:
            line.append(f" {_safe(finding.fix)}", style="dim" if finding.status == "ok" else "bold")
        table.add_row(Text(finding.status, style=_STYLES[finding.status]), finding.name, line)
    return table


def _safe(text: str) -> str:
    return scrub(on_one_line(text))
