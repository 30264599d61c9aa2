"""The command ``job ls``: the jobs of a store."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio

from cleanlist_async.cli.job.show import shown_state
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.exits import ExitCode
from cleanlist_async.cli.terminal.output import print_json, print_line, print_table
from cleanlist_async.cli.terminal.render import number
from cleanlist_async.job.stored.reader import state_of
from cleanlist_async.storage.store.job_records import JobRecord
from cleanlist_async.types import JSON


def list_all(location: StoreLocation, *, unfinished: bool, names: bool, as_json: bool) -> ExitCode:
    """List all jobs, the oldest first, or only those that can go on; with *names* nothing but their names."""

    async def read() -> list[JobRecord]:
        if not location.exists:  # opening it would make an empty one
            return []
        async with location.open() as store:
            going_on = {name async for name in store.unfinished()} if unfinished else set[str]()
            return [job for job in await store.jobs() if not unfinished or job.name in going_on]

    jobs = anyio.run(read)
    if names:
        for job in jobs:
            print_line(job.name)
        return ExitCode.DONE
    if as_json:
        rows: list[JSON] = [_as_json(job) for job in jobs]
        print_json({"jobs": rows})
        return ExitCode.DONE
    print_table(
        ("job", "state", "contacts", "credits", "begun", "run by"),
        [
            (
                job.name,
                _state(job).replace("_", " "),
                f"{job.contacts:,}",
                number(job.spent),
                f"{_begun(job):%Y-%m-%d %H:%M}",
                _runner(job) or "",
            )
            for job in jobs
        ],
        numbers=("contacts", "credits"),
    )
    return ExitCode.DONE


def _as_json(job: JobRecord) -> dict[str, JSON]:
    return {
        "name": job.name,
        "job": job.name,  # as it was called here before
        "state": _state(job),
        "contacts": job.contacts,
        "enrichment_type": job.enrichment_type,
        "credits_spent": job.spent,
        "credits_held": job.reserved,
        "begun_at": _begun(job).isoformat(),
        "run_by": _runner(job),
    }


def _state(job: JobRecord) -> str:
    return "purged" if job.state == "purged" else shown_state(state_of(job), is_running=job.is_running)


def _begun(job: JobRecord) -> datetime:
    return datetime.fromtimestamp(job.created_at, UTC)


def _runner(job: JobRecord) -> str | None:
    return f"process {job.pid} on {job.host}" if job.is_running else None
