"""The blocking fronts of a client's store, and of its budget."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cleanlist_async.enrich.client_spending import BudgetControl
from cleanlist_async.runtime.loop_thread import Blocking, Front
from cleanlist_async.storage.store.audit import AuditLine
from cleanlist_async.storage.store.store import Store


class SyncStore(Front[Store]):
    """Everything that was bought, and all jobs by name. Reached as ``client.store``.

    It is closed with the client, unless that was given a `Store`: `close` closes such a one before.
    """

    orphans = Blocking(Store.orphans)
    resolve = Blocking(Store.resolve)
    jobs = Blocking(Store.jobs)
    stop = Blocking(Store.stop)
    purge = Blocking(Store.purge)
    forget = Blocking(Store.forget)
    counts = Blocking(Store.counts)
    close = Blocking(Store.aclose)

    @property
    def name(self) -> str:
        """The file, or the database and its host, without a user or password."""
        return self.async_object.name

    @property
    def address(self) -> str:
        """What ``--store`` takes: the path of a file, or ``URL`` for an address: it may hold a password."""
        return self.async_object.address

    @property
    def is_on_server(self) -> bool:
        """Whether processes of other machines can use it too."""
        return self.async_object.is_on_server

    def unfinished(self) -> Iterator[str]:
        """Yield the names of jobs of all organizations that have something left to do, and are not run."""
        return self.loop_thread.iterate(self.async_object.unfinished)

    def audit(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[AuditLine]:
        """Yield what happened to money, from *since* on and before *until*, oldest first.

        No contact is in it.
        """
        return self.loop_thread.iterate(lambda: self.async_object.audit(since, until))


class SyncBudget(Front[BudgetControl]):
    """What the organization may spend in a day and a month. Reached as ``client.budget``."""

    show = Blocking(BudgetControl.show)
    set = Blocking(BudgetControl.set)
    pause = Blocking(BudgetControl.pause)
    resume = Blocking(BudgetControl.resume)
