"""Claiming the contacts of a bulk run that nobody has, and sending them in a short line of requests."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup

from cleanlist_async import facts
from cleanlist_async.api.public import submit_call
from cleanlist_async.contacts.chunking import bulk_body
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.enrich.chunk import Chunk, RunSpec
from cleanlist_async.enrich.fetch import AcceptedWorkflow, Fetcher
from cleanlist_async.enrich.purchases import Purchases, not_finished
from cleanlist_async.enrich.submit_record import Wanted
from cleanlist_async.errors import StoreError
from cleanlist_async.http.calls import Spend
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.storage.store.records import Claim, Mine
from cleanlist_async.webhooks.submissions import Submissions

_SUBMITS_IN_LINE: Final = 4
"""Chunks that wait for a token at once; more would only be read ahead, and age past interactive calls."""
log: Final = logging.getLogger("cleanlist_async")

_FOLLOWED_AT_ONCE: Final = 16_000
"""Contacts that others buy, and that are waited for before more are read."""


class ChunkSubmitter:
    """Submits the chunks of one run. Each has a place in the line until its request is admitted."""

    def __init__(
        self,
        pipeline: Pipeline,
        submissions: Submissions,
        purchases: Purchases | None,
        spec: RunSpec,
        options: CallOptions,
    ) -> None:
        self._pipeline = pipeline
        self._purchases = purchases
        self._submissions = submissions
        self._spec = spec
        self._options = options
        self._line = anyio.Semaphore(_SUBMITS_IN_LINE)
        self._waiting: set[anyio.CancelScope] = set()

    async def enter_line(self) -> None:
        """Wait for a place in the line."""
        await self._line.acquire()

    @property
    def in_line(self) -> int:
        """Chunks that have a place in the line."""
        return _SUBMITS_IN_LINE - self._line.value

    def leave_line(self, chunk: Chunk) -> None:
        """Give up the place of a chunk, if it has one."""
        # Not twice: each attempt of a request builds its body.
        if chunk.in_line:
            chunk.in_line = False
            self._line.release()

    async def room(self) -> float:
        """Return the credits that the budgets in the store still cover. Raises StoreError."""
        return math.inf if self._purchases is None else await self._purchases.room(self._spec.wanted)

    @property
    def is_collecting(self) -> bool:
        """Whether workflows of earlier submits are being fetched, which may give credits back."""
        return self._purchases is not None and self._purchases.collecting > 0

    def stop(self) -> None:
        """Cancel every submit that is not on its way yet."""
        for scope in self._waiting:
            scope.cancel()

    @property
    def troubles(self) -> int:
        """Unclear outcomes of submits so far; those of submits in flight together are one."""
        return self._pipeline.submit_troubles

    async def submit(self, chunk: Chunk, contacts: tuple[Prepared, ...]) -> AcceptedWorkflow | None:
        """Submit contacts of a chunk once; None if `stop` came before that was on its way.

        Raises CleanlistError; `submit_outcome.judge` returns its meaning.
        """
        # An address for each attempt: a late webhook of one that was refused must not be believed.
        self.close(chunk)
        submission = chunk.submission = self._submissions.begin(self._spec.webhook_url)

        def body() -> bytes:  # built when the request gets its token
            self.leave_line(chunk)
            return bulk_body(contacts, self._spec.enrichment_type, submission.webhook_url)

        call = submit_call(
            body,
            RequestClass.SUBMIT,
            shield_answer=True,  # it names what was paid for, which a run that is stopped tells, too
            spend=lambda: Spend.of_contacts(
                self._spec.wanted.door, self._spec.enrichment_type, len(contacts)
            ),
        )
        if self._purchases is not None:
            record = chunk.record = self._purchases.submit(
                contacts, self._spec.wanted, is_unclaimed=self._spec.is_unclaimed
            )
            refused = partial(record.refused, "the server did not take it")
            call = replace(
                call,
                before=record.intend,
                before_retry=refused,
                is_recorded=True,
                submission=lambda: record.submission,
            )
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                reply = await self._pipeline.call(call, self._options)
            finally:
                self._waiting.discard(scope)
            return AcceptedWorkflow.of(reply, contacts, self._pipeline.limiter.clock(), submission.signal)
        return None

    def salvage(self, chunk: Chunk, contacts: tuple[Prepared, ...], workflow_id: str) -> AcceptedWorkflow:
        """Return the workflow that an odd answer to the latest submit of a chunk names."""
        signal = chunk.submission.signal if chunk.submission else None
        return AcceptedWorkflow.salvaged(self._pipeline, workflow_id, contacts, signal)

    def accepted(self, chunk: Chunk, workflow: AcceptedWorkflow) -> None:
        """Note the workflow of a chunk, so that its webhook is known for that of this workflow."""
        if chunk.submission is not None:
            chunk.submission.accepted(workflow.workflow_id, workflow.task_ids)
        chunk.workflow = workflow

    def close(self, chunk: Chunk) -> None:
        """Expect no webhook of a chunk any more."""
        if chunk.submission is not None:
            chunk.submission.close()
            chunk.submission = None


@dataclass(eq=False, slots=True)
class UnsentContacts:
    """Contacts of a run that are in no submit yet.

    `total` may be unknown. `ahead` is how many may be read before results are taken; `read` is how many came
    so far, and `gathered` how many of those wait to be put into a submit. `is_over` once nothing more is
    read.
    """

    submitter: ChunkSubmitter
    total: int | None
    ahead: int | None
    read: int = 0
    gathered: int = 0
    is_over: bool = False

    def is_far_ahead(self, taken: int) -> bool:
        """Whether as many contacts as may be were read beyond the results that were *taken*."""
        return self.ahead is not None and self.read - taken >= self.ahead

    def submits(self) -> int | None:
        """Return how many submits are still to be made; None if that cannot be known."""
        if self.is_over:
            return self.submitter.in_line
        if self.total is None:
            return None
        unsent = max(0, self.total - self.read) + self.gathered
        return self.submitter.in_line + math.ceil(unsent / facts.MAX_CONTACTS_PER_REQUEST)


class Claims:
    """Claims the contacts of one run, as many at a time as a request holds.

    What is ours is returned to be sent; everything else is followed to its result, which is `put`. *buy* is
    awaited for contacts that their buyer gave up.
    """

    def __init__(
        self,
        purchases: Purchases | None,
        wanted: Wanted,
        fetcher: Fetcher,
        *,
        put: Callable[[Prepared, EnrichmentResult], None],
        buy: Callable[[list[Prepared]], Awaitable[None]],
        fail: Callable[[StoreError], None],
    ) -> None:
        self._purchases = purchases
        self._wanted = wanted
        self._fetcher = fetcher
        self._put = put
        self._buy = buy
        self._fail = fail
        self._gathered: list[Prepared] = []
        self._followed: dict[int, Prepared] = {}
        self._claims: dict[int, Claim] = {}  # of what is followed
        self._is_repaid = True

    async def add(self, contact: Prepared, group: TaskGroup) -> list[Prepared]:
        """Take a contact; return those that are ours, once as many are gathered as a request holds."""
        if self._purchases is None:
            return [contact]
        self._gathered.append(contact)
        return await self.flush(group) if len(self._gathered) >= facts.MAX_CONTACTS_PER_REQUEST else []

    async def flush(self, group: TaskGroup) -> list[Prepared]:
        """Claim what is gathered, and return what is ours."""
        if self._purchases is None or not self._gathered:
            return []
        claims = await self._purchases.claim(self._gathered, self._wanted)
        # Taken out only now: of a run that is cancelled during the claim, `end` still has them.
        contacts, self._gathered = self._gathered, []
        mine = [contact for contact in contacts if isinstance(claims[contact.index], Mine)]
        if len(mine) < len(contacts):
            others = [contact for contact in contacts if not isinstance(claims[contact.index], Mine)]
            self.follow(others, claims, group)
        return mine

    @property
    def is_shared(self) -> bool:
        """Whether others may wait for what is claimed here."""
        return self._purchases is not None

    @property
    def is_full(self) -> bool:
        """Whether so many contacts are waited for that no more should be read."""
        return len(self._followed) >= _FOLLOWED_AT_ONCE

    def follow(self, contacts: list[Prepared], claims: dict[int, Claim] | None, group: TaskGroup) -> None:
        """Follow contacts that are not ours; without *claims*, those that we lost."""
        for contact in contacts:
            self._followed[contact.index] = contact
            if claims is not None:
                self._claims[contact.index] = claims[contact.index]
        group.start_soon(self._follow, contacts, claims is None)

    async def _follow(self, contacts: list[Prepared], are_lost: bool) -> None:  # noqa: FBT001
        if self._purchases is None:
            raise AssertionError
        try:
            if are_lost:  # of those that are still ours, nobody else would take any
                await self._purchases.release(contacts, self._wanted.enrichment_type)
                self._claims.update(await self._purchases.claim(contacts, self._wanted))
            await self._purchases.follow(
                contacts, self._claims, self._wanted, self._fetcher, put=self._put_once, buy=self._buy_once
            )
        except StoreError as error:
            self._fail(error)

    def _put_once(self, contact: Prepared, result: EnrichmentResult) -> None:
        self._forget(contact)
        self._put(contact, result)

    async def _buy_once(self, contacts: list[Prepared]) -> None:
        for contact in contacts:
            self._forget(contact)
        await self._buy(contacts)

    def _forget(self, contact: Prepared) -> None:
        del self._followed[contact.index]
        del self._claims[contact.index]

    def unsent(self, contacts: Iterable[Prepared]) -> None:
        """Give back contacts that were ours, and were not sent after all.

        Soon, not at the end of the run: that may wait for another, which waits for these.
        """
        # What is gathered was not asked for yet, or `Purchases.claim` gives it back itself.
        gathered = {contact.index for contact in self._gathered}
        unsent = [contact for contact in contacts if contact.index not in gathered]
        if self._purchases is not None and unsent:
            self._purchases.release_later(unsent, self._wanted.enrichment_type)
            self._is_repaid = False

    def end(self) -> list[Prepared]:
        """Return what has no result when the run ends, and is no chunk's; what somebody bought is put."""
        for index, contact in list(self._followed.items()):
            result = not_finished(contact, self._claims.get(index), self._wanted.enrichment_type)
            if result is not None:
                self._put_once(contact, result)
        return [*self._gathered, *self._followed.values()]

    async def aclose(self) -> None:
        """Give back what was claimed and not sent, before the run is over."""
        if self._purchases is None or self._is_repaid:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._purchases.repay()
            except StoreError as error:  # they are given back later
                log.warning("claims could not be given back to the store: %s", error)
