"""The files that an open job holds: its journal, their lock and the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cleanlist_async.errors import ConfigurationError, JobNotFoundError, JournalError
from cleanlist_async.http.pipeline import Pipeline
from cleanlist_async.job.cache import ResultCache
from cleanlist_async.job.journal.journal import Journal
from cleanlist_async.job.journal.known_journals import Fence
from cleanlist_async.job.journal.lock import JournalLock
from cleanlist_async.job.journal.records import Header
from cleanlist_async.job.source import Source
from cleanlist_async.job.spec import JobSpec, begin, resumed
from cleanlist_async.storage.filesystem import refuse_network


@dataclass(slots=True)
class OpenJournal:
    """The journal of a job, locked against other processes, and the cache of results, if it has one."""

    journal: Journal
    header: Header
    lock: JournalLock
    cache: ResultCache | None
    is_closed: bool = False

    @classmethod
    async def open(cls, path: Path, source: Source | None, spec: JobSpec, pipeline: Pipeline) -> OpenJournal:
        """Open the journal at *path*, or plan a new job and write it there. Sends nothing.

        Raises JournalError for a journal that is not the latest of its job; see :class:`Fence`.
        Raises JobNotFoundError without a source where one is needed.
        """
        refuse_network(path, "journal", JournalError)
        # Before any look at the journal: two processes must not both find none, and both plan one.
        lock = JournalLock(path).take()
        fence = Fence(path, adopt=spec.adopt)
        journal: Journal | None = None
        cache: ResultCache | None = None
        try:
            fence.check_place()  # before a journal is created where one with purchases has been
            if spec.cache is not None:
                cache = ResultCache(spec.cache, pipeline.secret, ttl_s=spec.cache_ttl_s)
            # After the cache: options that are refused must leave no journal behind.
            journal = _at(path, source)
            fence.check(journal)
            header = journal.header
            if header is None:
                header = await begin(journal, source, spec, pipeline)
            else:
                header = await resumed(journal, header, source, spec, pipeline)
                journal.recover()  # with the lock held, nobody else can be sending what is SENDING
            fence.raise_generation(journal)  # last: what was refused above must stay as it was
        except BaseException:
            for opened in (journal, cache):
                if opened is not None:
                    opened.close()
            lock.give_back()  # after the files, as in `close`
            raise
        return cls(journal, header, lock, cache)

    def check(self) -> None:
        """Raise ConfigurationError once it is closed."""
        if self.is_closed:
            raise ConfigurationError("This job is closed; open it again with the same call.")

    def purge(self) -> None:
        """Remove all contact data from the journal and the cache."""
        self.journal.purge()
        if self.cache is not None:
            self.cache.purge()

    def close(self) -> None:
        """Close the files, and release them to other processes."""
        self.is_closed = True
        self.journal.close()
        if self.cache is not None:
            self.cache.close()
        # Last: the next process must find no open transaction of this one.
        self.lock.give_back()


def _at(path: Path, source: Source | None) -> Journal:
    if source is None and not path.exists():
        raise JobNotFoundError(f"There is no journal {path}.", fix="Begin the job with an input.")
    return Journal.at(path)
