"""A frame on its way through a run."""

from __future__ import annotations

from asyncio import get_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import anyio.lowlevel

from cleanlist_async.checks import wrong
from cleanlist_async.contacts.checks import is_frame
from cleanlist_async.contacts.identity import Invalid, Prepared
from cleanlist_async.enrich.chunk import RunSpec
from cleanlist_async.enrich.report import Summary
from cleanlist_async.enrich.row_results import skipped, without_row
from cleanlist_async.enrich.service import BulkService
from cleanlist_async.errors import CleanlistError
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables.frames import (
    BETWEEN_CHECKPOINTS,
    FrameReader,
    headers_of,
    is_lazy,
    next_part,
    opened,
    parts,
    rows_where,
    with_columns,
)
from cleanlist_async.tables.input_options import preparation
from cleanlist_async.tables.output_choice import OutputChoice, enrichment_columns
from cleanlist_async.tables.rendering import new_names


def opened_frame(frame: object) -> Any:
    """Return a frame as its library has it. Raises ConfigurationError for what is none."""
    if not is_frame(frame) or (given := opened(frame)) is None:
        raise wrong("frame", "a frame of polars, pandas, Arrow or their kind", frame)
    return given


@dataclass(slots=True)
class _Part:
    """Some rows of the frame: the index of the first, and their results so far."""

    rows: Any
    start: int
    results: dict[int, EnrichmentResult] = field(default_factory=dict[int, EnrichmentResult])

    @property
    def is_complete(self) -> bool:
        return len(self.results) == len(self.rows)


class FrameStream:
    """Yields the parts of a frame with the enrichment of each row; use it as an async context manager.

    The parts hold the rows in their order, some thousand each, as frames of the kind that was given. After
    the last one it raises the error that stopped the run, if one did: rows that were not reached are
    ``failed``. Leaving the block early stops the run; what was accepted by then is in `pending`.
    """

    def __init__(
        self,
        bulk: BulkService,
        frame: Any,
        spec: RunSpec,
        prefix: str,
        choice: OutputChoice,
        *,
        in_one_part: bool = False,
    ) -> None:
        self._frame = opened_frame(frame)
        self._names = choice.names(prefix)
        self._choice = choice
        self._reader = FrameReader(spec.input.rows)
        self._prepare = preparation(spec.input.suppression)
        whole = in_one_part and not is_lazy(self._frame)
        self._parts: Iterator[Any] = iter([self._frame]) if whole else parts(self._frame)
        self._open: deque[_Part] = deque()
        # What is pending in parts that no longer tell it.
        self._untold: list[EnrichmentResult] = []
        self._read = 0
        self._is_over = False
        self._error: CleanlistError | None = None
        total = None if is_lazy(self._frame) else len(self._frame)
        self._stream = bulk.stream_rows(self._rows(), spec, total, repeated_in=None)

    @property
    def summary(self) -> Summary:
        """Counts so far."""
        return self._stream.summary

    @property
    def stopped_by(self) -> CleanlistError | None:
        """The error that stopped the run, or None."""
        return self._stream.stopped_by

    @property
    def fault(self) -> CleanlistError | None:
        """The first error that kept contacts from a result, also of one after which the run went on."""
        return self._stream.fault

    @property
    def is_for_nothing(self) -> bool:
        """Whether no contact has an outcome, from a store either, or was accepted, or refused by name."""
        return self._stream.is_for_nothing

    @property
    def leftover(self) -> list[EnrichmentResult]:
        """Results that are in no part that was read, once the block is left."""
        read = [result for part in self._open for _, result in sorted(part.results.items())]
        return read + self._stream.leftover

    @property
    def pending(self) -> list[EnrichmentResult]:
        """What was accepted and not finished, and is in no part; ``client.collect`` fetches it free."""
        return [*self._untold, *(result for result in self.leftover if result.status == "pending")]

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not (self._open and self._open[0].is_complete):
            if self._is_over:
                await self._next_unread()
                continue
            try:
                self._put(await anext(self._stream))
            except StopAsyncIteration:
                self._is_over = True
            except CleanlistError as error:
                self._is_over, self._error = True, error  # raised when all parts are out
        # Taken out last: what was bought is left over until its part is made.
        enriched = await get_running_loop().run_in_executor(None, self._enriched, self._open[0])
        self._open.popleft()
        return enriched

    async def _rows(self) -> AsyncGenerator[Prepared | Invalid, None]:
        while (part := await self._next_part()) is not None:
            for contact in self._contacts(part):
                yield contact
                if contact.index % BETWEEN_CHECKPOINTS == 0:
                    await anyio.lowlevel.checkpoint()

    async def _next_part(self) -> _Part | None:
        if (rows := await next_part(self._parts)) is None:
            return None
        part = _Part(rows, self._read)
        self._read += len(rows)
        self._open.append(part)
        return part

    def _contacts(self, part: _Part) -> Iterator[Prepared | Invalid]:
        for index, contact in enumerate(self._reader.contacts(part.rows), part.start):
            yield self._prepare(index, contact)

    def _put(self, result: EnrichmentResult) -> None:
        for part in self._open:
            if part.start <= result.index < part.start + len(part.rows):
                part.results[result.index] = result
                return
        raise AssertionError

    async def _next_unread(self) -> None:
        """Give the rows of the next part that a stopped run did not reach a result."""
        part = self._open[0] if self._open else await self._next_part()
        if part is None:
            raise self._error or StopAsyncIteration
        for count, contact in enumerate(self._contacts(part)):
            if count % BETWEEN_CHECKPOINTS == 0:
                await anyio.lowlevel.checkpoint()
            if isinstance(contact, Invalid):
                part.results.setdefault(contact.index, skipped(contact))
            else:
                unread = without_row(contact, "failed", f"never sent: {self._error}")
                part.results.setdefault(contact.index, unread)

    def _enriched(self, part: _Part) -> Any:
        ordered = [part.results[index] for index in range(part.start, part.start + len(part.rows))]
        names = new_names(self._names.values(), headers_of(part.rows))
        columns = enrichment_columns(ordered, dict(zip(self._names, names, strict=True)))
        rows = with_columns(part.rows, columns)
        if not self._choice.is_collectable:
            self._untold += (result for result in ordered if result.status == "pending")
        if not self._choice.only:
            return rows
        return rows_where(rows, [self._choice.has(result.status) for result in ordered])
