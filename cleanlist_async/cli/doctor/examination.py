"""What ``doctor`` does: look, ask, report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
from rich.console import Console

from cleanlist_async.cli.doctor import local, remote
from cleanlist_async.cli.doctor.evidence import Evidence, Finding, WatchedCleanlist, as_table, gather
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import ExitCode
from cleanlist_async.cli.terminal.progress import warnings_shown
from cleanlist_async.cli.terminal.render import print_grid, print_json, say
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.redact import Secret
from cleanlist_async.types import JSON

_NO_KEY = "no-key"
"""Sent without a key, to see whether a server answers."""


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings, and the number of requests that they took."""

    findings: list[Finding]
    requests: int = 0

    @property
    def problems(self) -> int:
        """How many checks failed."""
        return sum(finding.status == "problem" for finding in self.findings)

    @property
    def exit_code(self) -> ExitCode:
        """What a command that examined ends with."""
        return ExitCode.REFUSED if self.problems else ExitCode.DONE

    def as_json(self) -> dict[str, JSON]:
        """Return it for ``--json``."""
        checks: list[JSON] = [finding.as_json() for finding in self.findings]
        return {"ok": not self.problems, "requests": self.requests, "checks": checks}


def doctor(console: Console, connection: Connection, *, as_json: bool) -> ExitCode:
    """Check everything, and report it."""
    with warnings_shown(console):
        found = examine(connection)
    if as_json:
        print_json(found.as_json())
    else:
        print_grid(as_table(found.findings))
        failed = f"{found.problems} of {len(found.findings)} checks failed."
        say(console, failed if found.problems else "All checks passed.")
    return found.exit_code


def examine(connection: Connection) -> Examination:
    """Check everything."""
    key, secrets = local.key(os.environ)
    way = local.network(connection.address, connection.proxy, connection.ca_bundle)
    limits = local.limits(connection)
    findings = [local.python(), local.extras(), way, key, limits, local.store()]
    if "problem" in {way.status, limits.status}:  # without the limits every request would wait
        return Examination(findings)
    try:
        # Even without a key, the connection is worth a check: the server answers 401.
        client = WatchedCleanlist(secrets[0].reveal() if secrets else _NO_KEY, connection)
    except ConfigurationError as error:
        return Examination([*findings, Finding("connection", "problem", error.problem, error.fix)])
    evidence = anyio.run(gather, client)
    findings += [check(evidence) for check in remote.CHECKS]
    if not secrets:
        # The first seven need no key, the connection as the last of them.
        unasked = [Finding(finding.name, "unknown", "needs a key.") for finding in findings[7:]]
        findings = [*findings[:7], *unasked]
    elif len(secrets) > 1:
        findings.append(_other_keys(connection, secrets[1:], evidence))
    return Examination(findings, len(evidence.seen) + len(secrets[1:]))


def _other_keys(connection: Connection, secrets: Sequence[Secret], evidence: Evidence) -> Finding:
    """Check that the keys after the first are good, and belong to the same organization."""
    ours = evidence.key.value.organization_id if evidence.key.value else None

    async def ask() -> list[str | None]:
        found: list[str | None] = []
        for secret in secrets:
            # A client for each key: one client of several keys chooses itself which one it sends.
            async with WatchedCleanlist(secret.reveal(), connection) as client:
                found.append((await client.public.validate_key()).organization_id)
        return found

    try:
        organizations = anyio.run(ask)
    except CleanlistError as error:
        return Finding("other keys", "problem", str(error), "Remove the bad one from CLEANLIST_API_KEY.")
    if any(other != ours for other in organizations if other and ours):
        return Finding(
            "other keys",
            "problem",
            "they belong to several organizations.",
            "Use the keys of one organization.",
        )
    return Finding("other keys", "ok", f"{len(secrets)} more, all valid.")
