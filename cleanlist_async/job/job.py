"""The public face of a durable bulk job, wherever it is kept."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeGuard

from cleanlist_async import facts
from cleanlist_async.checks import check_flag, check_instance, check_text, check_whole
from cleanlist_async.enrich.plan import Plan
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.events import report_failure
from cleanlist_async.job.journal.records import Decision, SubmitMode
from cleanlist_async.job.journal.schema import APPLICATION_ID
from cleanlist_async.job.pilot import Pilot
from cleanlist_async.job.status import JobReport, JobStatus, Receipt, WaitsFor
from cleanlist_async.job.unknown import UnknownChunk, the_decision
from cleanlist_async.results import EnrichmentResult

_LONGEST_NAME: Final = 200
_APPLICATION_ID: Final = slice(68, 72)
"""Where a SQLite file has its application id (sqlite.org/fileformat.html)."""


class Job(ABC):
    """A bulk enrichment that survives whatever ends its process. Made by `client.job`.

    ::

        job = await client.job("crm-2026-11", "contacts.csv", enrichment_type="partial", max_credits=5_000)
        async with job:
            async for result in job:
                ...

    The same call resumes it. Iterating gives every result, also those of earlier runs, at least once in each
    run, so handling them should be idempotent. It ends with the error that stopped the job, if one did, once
    all results before it have been given: write those back before the error is reported. `run` does the same
    without handing them out, and has the error in ``stopped_by``.

    Attributes
    ----------
    on_progress
        A function that is called with the :class:`JobStatus` as the job proceeds; None for none.

    """

    on_progress: Callable[[JobStatus], None] | None = None

    # -- running -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[EnrichmentResult]:
        """Run the job and yield every result once; then raise the error that stopped it, if one did."""

    @abstractmethod
    async def run(self) -> JobReport:
        """Run the job to its end, or to where it has to stop. Its results are kept; see `report`.

        Whatever stopped it is in ``stopped_by``: out of credits, a bad key, an outage. The same call resumes.
        """

    def _show(self, status: Callable[[], JobStatus]) -> None:
        """Call `on_progress`."""
        if self.on_progress is None:
            return
        try:
            self.on_progress(status())
        except Exception as problem:  # noqa: BLE001  # a failing display must not end the job
            report_failure("on_progress", problem)

    @abstractmethod
    async def aclose(self) -> None:
        """Stop, and leave the job to others. A submit that is on its way is awaited to its answer."""

    # -- before it spends ----------------------------------------------------------------------

    @property
    @abstractmethod
    def submit_mode(self) -> SubmitMode:
        """The submit mode that was chosen."""

    @property
    @abstractmethod
    def promise(self) -> str:
        """What becomes of a submit whose answer is lost, in this submit mode, in one sentence."""

    @property
    @abstractmethod
    def waits_for(self) -> WaitsFor | None:
        """Why nothing is sent right now, besides the rate limit and the workflows that are open."""

    @property
    def lists_to_create(self) -> int:
        """How many lead lists the job makes in your workspace: one for each chunk in mode `exact`."""
        return 0

    @abstractmethod
    async def plan(self) -> Plan:
        """Return what the whole job takes: requests, minutes, and credits at most. Free."""

    async def pilot(self, n: int = 15) -> Pilot:
        """Buy a sample of *n* contacts first, in proportion to the kinds of contacts. Spends credits.

        Returns the hit rate and the cost per contact with 95 % intervals, and what they mean for the whole
        job; pending contacts are left out. Raises JournalError or StoreError once anything else of the job
        was sent, UnknownOutcomeError when the sample may or may not have been bought.
        """
        check_whole("n", n, "a number of contacts", at_least=1, at_most=facts.MAX_CONTACTS_PER_REQUEST)
        return await self._pilot(n)

    @abstractmethod
    async def _pilot(self, n: int) -> Pilot:
        """Buy the sample."""

    # -- looking at it -------------------------------------------------------------------------

    @abstractmethod
    async def status(self) -> JobStatus:
        """Return the state of the job."""

    @abstractmethod
    async def unknown(self) -> list[UnknownChunk]:
        """Return the chunks whose outcome is unknown: sent, and perhaps accepted."""

    async def report(self) -> JobReport:
        """Return the state of the job, and the chunks whose outcome is unknown."""
        return JobReport(await self.status(), await self.unknown())

    @abstractmethod
    def receipts(self) -> AsyncIterator[Receipt]:
        """Yield a receipt for every contact, in the order of the input."""

    @abstractmethod
    async def verify(self) -> list[str]:
        """Check what is kept of the job against its own rules, and return the problems found."""

    # -- deciding and removing -----------------------------------------------------------------

    async def resolve(
        self,
        chunk: int,
        *,
        accepted: str | None = None,
        absent: bool = False,
        resubmit: bool = False,
        abandon: bool = False,
        actor: str = "owner",
    ) -> None:
        """Decide about an unknown chunk; the decision is recorded.

        `accepted` is the workflow id that the portal or support named, also to correct an earlier one that
        was not found; `absent` says that they know of no workflow, so the chunk is sent again; `resubmit`
        sends it again at the risk of buying it twice; `abandon` gives it up, also where the server has
        forgotten its workflow. Give exactly one of them. Raises JournalError or StoreError when the chunk is
        not unknown.
        """
        check_whole("chunk", chunk, "the number of a chunk")
        check_text("actor", actor)
        for name, is_chosen in (("absent", absent), ("resubmit", resubmit), ("abandon", abandon)):
            check_flag(name, is_chosen)
        decision = the_decision(
            accepted=accepted is not None, absent=absent, resubmit=resubmit, abandon=abandon
        )
        await self._decide(chunk, decision, actor, accepted)

    @abstractmethod
    async def _decide(self, chunk: int, decision: Decision, actor: str, workflow_id: str | None) -> None:
        """Record a decision."""

    def knows(self, token: str) -> bool:  # noqa: ARG002  # a job in a store expects no webhooks of its own
        """Whether a webhook to ``<webhook>/<token>`` is for this job."""
        return False

    def receive(self, token: str, payload: bytes) -> bool:
        """Process a webhook that was sent to ``<webhook>/<token>``. Return whether it is for this job.

        Answer the sender with 2xx if so, and with 404 if not: the event is on disk when this returns.
        Webhooks are not signed; the token is a secret of this job and the server. A client with a
        `WebhookReceiver` calls this itself.
        """
        check_instance("payload", payload, bytes)
        return self.knows(token)

    @abstractmethod
    async def purge(self, *, keep_results: bool = False) -> None:
        """Remove all contact data of the job, including the results bought.

        With `keep_results`, a job in a store loses only its copy of the input: what it bought stays in the
        store, and serves later calls. A journal cannot keep one without the other: ConfigurationError.
        """


def is_name(journal: str | PathLike[str]) -> TypeGuard[str]:
    """Whether a job is named: text without a folder that does not end in ``.journal``.

    Raises ConfigurationError for text that cannot be one.
    """
    if not isinstance(journal, str) or journal.endswith(".journal"):
        return False
    if any(separator in journal for separator in (os.sep, os.altsep) if separator):
        return False
    if not journal.strip() or len(journal) > _LONGEST_NAME or not journal.isprintable():
        raise ConfigurationError(
            f"The name of a job must have 1 to {_LONGEST_NAME} characters that can be printed."
        )
    return True


def is_journal(path: Path) -> bool:
    """Whether there is the journal of a job at a path."""
    try:
        with path.open("rb") as file:
            head = file.read(_APPLICATION_ID.stop)
    except (OSError, ValueError):
        return False
    return head[_APPLICATION_ID] == APPLICATION_ID.to_bytes(4, "big")
