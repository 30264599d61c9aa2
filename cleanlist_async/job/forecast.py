"""What a job takes: requests, time and credits, before any of it is sent."""

from __future__ import annotations

from itertools import islice
from typing import Final

from cleanlist_async import facts
from cleanlist_async.enrich.plan import Plan, seconds_for
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Header, SubmitMode

_MAX_LISTED: Final = 1_000
"""Invalid and duplicate contacts that a plan lists one by one; it counts them all."""
_REQUESTS_PER_CHUNK: Final[dict[SubmitMode, int]] = {"plain": 2, "tracked": 2, "exact": 5}
"""Requests for each chunk if nothing goes wrong: in mode exact these are the list, the price, the import, the
status and the leads."""


def plan_of(journal: Journal, header: Header, pipeline: Pipeline) -> Plan:
    """Return what the whole job takes: requests, minutes, and credits at most."""
    invalid, duplicates = journal.set_aside()
    counts = journal.counts().values()  # chunks hold neither duplicates nor invalid contacts
    unique = sum(contacts for _, contacts in counts)
    worst = facts.WORST_CASE_CREDITS.get(header.enrichment_type)
    limits, keys = pipeline.limiter.limits, len(pipeline.route.keys)
    plan = Plan(
        header.enrichment_type,
        contacts=header.contacts,
        unique=unique,
        invalid=invalid,
        duplicates=duplicates,
        chunks=sum(chunks for chunks, _ in counts),
        credits_max=None if worst is None else worst * unique,
        invalid_contacts=list(islice(journal.invalid(), _MAX_LISTED)),
        duplicate_contacts=list(islice(journal.duplicates(), _MAX_LISTED)),
        requests_per_chunk=_REQUESTS_PER_CHUNK[header.submit_mode],
    )
    plan.minutes = seconds_for(plan.requests, limits, keys) / 60
    return plan
