"""The commands that change what is kept of a job: resolve, purge. No key, nothing sent."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from rich.console import Console

from cleanlist_async.cli.job.memory import JobMemory, JournalMemory
from cleanlist_async.cli.job.options import Answers
from cleanlist_async.cli.store.location import actor
from cleanlist_async.cli.terminal.asking import confirm
from cleanlist_async.cli.terminal.exits import ExitCode
from cleanlist_async.cli.terminal.render import plural, print_json, say, show_command
from cleanlist_async.job.cache import forget_all

_EFFECTS: Final = {
    "accepted": "is recorded as accepted; its results are fetched on resume",
    "absent": "is recorded as not accepted, and sent again on resume",
    "resubmit": "is sent again on resume",
    "abandon": "is abandoned; its contacts stay unknown",
}


def resolve(console: Console, memory: JobMemory, chunk: int, answers: Answers, *, as_json: bool) -> ExitCode:
    """Record a decision about an unknown chunk."""
    decision = answers.decision()
    # Before the decision, after which the chunk is not listed any more.
    risks = {found.number: found.credits_at_risk for found in memory.unknown()}
    memory.decide(chunk, decision, actor() or "unknown user", answers.accepted)
    left = len(risks.keys() - {chunk})
    # Only a second submit can cost again; the other decisions send nothing new.
    at_risk = risks[chunk] if decision == "resubmit" else 0.0
    risk = f", at the risk of {plural(at_risk, 'credit')}" if at_risk else ""
    say(console, f"Chunk {chunk} {_EFFECTS[decision]}{risk}.")
    if left:
        command = shlex.join(["cleanlist-async", "job", "unknown", *memory.typed])
        say(console, f"{plural(left, 'unknown chunk')} left: {command}")
    else:
        say(console, "Resume the job:")
        show_command(console, _resume_command(memory))
    if as_json:
        print_json({"chunk": chunk, "decision": decision, "credits_at_risk": at_risk, "unknown": left})
    return ExitCode.DONE


def _resume_command(memory: JobMemory) -> str:
    begun = memory.begun()
    source = [begun.source_name] if begun is not None and isinstance(memory, JournalMemory) else []
    job, *store = memory.typed
    return shlex.join(["cleanlist-async", "job", memory.verb, job, *source, *store])


def purge(
    console: Console,
    memory: JobMemory,
    cache: Path | None,
    *,
    keep_results: bool,
    yes: bool,
    as_json: bool,
) -> ExitCode:
    """Remove all contact data of a job, and from a cache. Raises CommandError without a yes."""
    name = memory.typed[0]
    memory.status()  # before it is asked about: there may be no such job
    if not yes:
        what = "the contacts, which its export needs," if keep_results else "all results"
        lost = "the only copy of the input" if keep_results else "results that were paid for"
        confirm(
            f"Permanently remove {what} from {name}? Export them first.",
            risk=f"this removes {lost}",
            refusal="nothing was removed.",
        )
    memory.purge(keep_results=keep_results)
    # The journal first: a running job refuses the purge, and keeps its cache too.
    if cache is not None and cache.exists():
        forget_all(cache)
    bought = "what it bought" if keep_results else "the record of what was spent"
    say(console, f"{name} no longer holds contact data; {bought} is kept.")
    if as_json:
        print_json({"job": name, "purged": True})
    return ExitCode.DONE
