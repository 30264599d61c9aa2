"""A client's session with its store."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import anyio

from cleanlist_async import facts
from cleanlist_async.api.public import VALIDATE_KEY
from cleanlist_async.contacts.identity import Prepared
from cleanlist_async.errors import CleanlistError, StoreError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.calls import Call
from cleanlist_async.http.options import CallOptions
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.ratelimit import RequestClass
from cleanlist_async.ratelimit.shared.backend import Process, has_ended, this_process
from cleanlist_async.storage.store import operations
from cleanlist_async.storage.store.operations import Buyer
from cleanlist_async.storage.store.store import Store

log: Final = logging.getLogger("cleanlist_async")

_IDENTIFY_S: Final = 90.0
"""Seconds that the question for the organization may take, with its wait for a token. Without an answer
the key stands for the organization.
"""

Write: TypeAlias = Callable[[], Awaitable[None]]


class StoreSession:
    """Opens the store when it is first needed, and keeps a lease in it until the client is closed.

    `owed` are writes that are still to be made, `jobs` the ids of jobs that the client runs; `taking_job` is
    held from the look whether a job is free until it is among them.
    """

    def __init__(self, store: Store, pipeline: Pipeline) -> None:
        self.store = store
        self.pipeline = pipeline
        self.owed = OwedWrites()
        self.jobs: set[str] = set()
        self.taking_job = anyio.Lock()
        self._process: Process = this_process()
        self._opening = anyio.Lock()
        self._buyer: Buyer | None = None
        self.not_identified: CleanlistError | None = None
        """Why the API did not tell the organization of the key."""

    async def opened(self) -> Buyer:
        """Open the store, begin the client's lease, and return the name it buys under.

        No checkpoint once it is open: a caller that was cancelled still records what was accepted.
        """
        if self._buyer is not None:
            return self._buyer
        async with self._opening:
            if self._buyer is None:
                await self.store.open()
                await self._renew()
                self._buyer = Buyer(self._process.id, await self._organization())
                self.pipeline.root.spawn(self._keep_lease)
            return self._buyer

    async def aclose(self) -> None:
        """End the lease: whoever wants what is still under way may take it over at once."""
        if self._buyer is not None:
            try:
                await self.owed.repay()
                # Last: from here on others take over what is not recorded as done.
                await self.store.run(operations.end_leases([self._process.id]))
            except StoreError as error:
                log.warning("the store could not be told that this client is closed: %s", error)

    def digest(self, contact: Prepared) -> str:
        """Return by what a contact is found again, once the session is open."""
        return self.store.digest(contact.identity)

    async def record_bought(self, enrichment_type: EnrichmentType, bought: dict[str, str]) -> None:
        """Record results by the digests of their contacts. Raises StoreError, and then it is owed."""

        async def write() -> None:
            buyer = await self.opened()
            await self.store.run(operations.record_bought(buyer.organization, enrichment_type, bought))

        await self.owed.make(write)

    async def _keep_lease(self) -> None:
        while True:
            await anyio.sleep(facts.STORE_LEASE_S / 3)  # so that one renewal may fail
            try:
                await self._renew()
                await self.owed.repay()
            except CleanlistError as error:  # what is claimed stays ours until another takes it
                log.warning("the lease in the store could not be prolonged: %s", error)

    async def _renew(self) -> None:
        process = self._process
        await self.store.run(operations.renew(process.id, process.place, process.pid, facts.STORE_LEASE_S))

    async def end_leases_of_the_dead(self) -> bool:
        """End the leases of processes of this machine that have ended; return whether there were any."""
        process = self._process
        others = await self.store.run(operations.neighbours(process.id, process.place))
        dead = [name for name, pid in others if has_ended(Process(name, pid, process.place))]
        if dead:
            await self.store.run(operations.end_leases(dead))
        return bool(dead)

    async def _organization(self) -> str:
        """Return the organization's id; the key's digest while nobody tells it."""
        origin = self.pipeline.route.organization.rpartition("@")[2]
        name = self.store.digest(f"{self.pipeline.secret.reveal()}@{origin}".encode())
        if (known := await self.store.run(operations.find_organization(name))) is not None:
            return known
        try:
            options = CallOptions(deadline_s=_IDENTIFY_S, max_retries=1)
            # Not as an interactive call: beside those the limiter spreads bulk requests over the minute.
            call = Call(VALIDATE_KEY, RequestClass.SUBMIT)
            answer = (await self.pipeline.call(call, options)).value
        except CleanlistError as error:  # the submit itself will show what is wrong
            log.info("the organization of the key is not known yet: %s", type(error).__name__)
            self.not_identified = error
            return name
        if not answer.organization_id:
            return name
        organization = f"{answer.organization_id}@{origin}"
        await self.store.run(operations.name_organization(name, organization))
        return organization


class OwedWrites:
    """Writes to the store that must not be lost, made in order: one that fails is repeated.

    What was sent, refused or settled is true whether the store takes it or not. Until it has, the store takes
    the contacts for under way, and whoever asks for them waits.
    """

    def __init__(self) -> None:
        self._writes: deque[Write] = deque()
        self._turn = anyio.Lock()

    def __len__(self) -> int:
        return len(self._writes)

    def add(self, write: Write) -> None:
        """Owe a write: it is made before the next one, or the next claim."""
        self._writes.append(write)

    async def make(self, write: Write) -> None:
        """Make a write after all that are owed. Raises StoreError, and then it is owed."""
        self.add(write)
        await self.repay()

    async def repay(self) -> None:
        """Make all writes that are owed. Raises StoreError."""
        if not self._writes:
            return
        async with self._turn:
            while self._writes:
                # Taken out when it is made: one that fails, or is cancelled, is still owed.
                await self._writes[0]()
                self._writes.popleft()
