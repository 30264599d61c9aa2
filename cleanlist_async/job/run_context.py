"""What the parts of one run share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.handout import Handout
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.records import Header
from cleanlist_async.job.run_state import RunState
from cleanlist_async.job.shared_purchases import SharedPurchases
from cleanlist_async.job.submits.bulk import Submitter
from cleanlist_async.tables.input_options import Suppression


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run: where it writes, how it submits, whom it leaves out, how it stands, where its results go."""

    pipeline: Pipeline
    journal: Journal
    header: Header
    submitter: Submitter
    cache: ResultCache | None
    shared: SharedPurchases | None
    suppression: Suppression | None
    state: RunState
    handout: Handout
    report: Callable[[], None]
    """Called after each change of the job's state."""
