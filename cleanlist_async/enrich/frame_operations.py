"""The enrichment of frames, as a client has it. Needs the extra ``frames``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cleanlist_async.checks import check_text
from cleanlist_async.errors import CleanlistError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.results import COLUMN_PREFIX

if TYPE_CHECKING:
    from cleanlist_async.enrich.chunk import RunSpec
    from cleanlist_async.enrich.frame_stream import FrameStream
    from cleanlist_async.enrich.plan import Plan
    from cleanlist_async.enrich.report import Progress
    from cleanlist_async.enrich.service import BulkService
    from cleanlist_async.http.options import CallOptions
    from cleanlist_async.tables.contact_rows import Columns, Extra
    from cleanlist_async.tables.input_options import Suppress
    from cleanlist_async.tables.output_choice import Keep, Only

log: Final = logging.getLogger("cleanlist_async")

Frame = TypeVar("Frame")


class FrameOperations:
    """Frames of polars, pandas, Arrow and what narwhals knows besides (narwhals-dev.github.io/narwhals)."""

    async def plan_frame(
        self,
        frame: object,
        *,
        columns: Columns | None = None,
        extra: Extra = "ignore",
        enrichment_type: EnrichmentType = "partial",
        fresh: bool = False,
        max_age_s: float | None = None,
        suppress: Suppress | None = None,
    ) -> Plan:
        """Say what `enrich_frame` with these arguments would take: requests, minutes, credits. Free."""
        bulk, _ = self._bulk()
        spec = self._frame_spec(
            columns, extra, suppress, enrichment_type=enrichment_type, fresh=fresh, max_age_s=max_age_s
        )
        from cleanlist_async.enrich.frame_stream import opened_frame  # noqa: PLC0415  # needs an extra

        return await bulk.plan(opened_frame(frame), spec)

    async def enrich_frame(
        self,
        frame: Frame,
        *,
        columns: Columns | None = None,
        extra: Extra = "ignore",
        enrichment_type: EnrichmentType = "partial",
        max_credits: float | None = None,
        prefix: str = COLUMN_PREFIX,
        fresh: bool = False,
        max_age_s: float | None = None,
        suppress: Suppress | None = None,
        keep: Keep | None = None,
        rename: Mapping[str, str] | None = None,
        only: Only | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Frame:
        """Enrich each row of a frame; return the frame with new columns. Spends credits.

        The frame is of the kind that was given, with the same rows in the same order, and its index. After
        its own columns stand, each with `prefix`: ``status`` (an enumeration), ``email``, ``email_status``,
        ``phones`` (lists), ``credits`` (a float), ``error``, ``workflow_id``, ``task_id`` and
        ``duplicate_of`` (the place of a row). A name that the frame has already gets a number: ``... (2)``.
        *keep* names those that are wanted, *rename* gives some another name (without `prefix`), and *only*
        leaves out all rows but those of some outcomes. What is pending and no longer told by the frame is in
        `abandoned`.

        *columns* says which field of a contact a column holds (``{"Company": "company_name"}``; None: none);
        the others are guessed as those of a file. Columns that are none are ignored, unless `extra` forbids
        them. A lazy frame, a data set or a stream of batches is read as it is computed, once, and the result
        is in memory; `stream_frame` needs none. The other arguments are those of `enrich`.

        An error is raised only if no row was accepted, refused by name, or found in the store. Else the rows
        say in ``error`` why they have no result; what is ``pending`` can be had by enriching them again with
        a `store`. TableError when no column is known, or two could be the same field.
        """
        from cleanlist_async.tables.frames import concatenated  # noqa: PLC0415  # needs an extra

        bulk, _ = self._bulk()
        spec = self._frame_spec(
            columns,
            extra,
            suppress,
            enrichment_type=enrichment_type,
            max_credits=max_credits,
            fresh=fresh,
            max_age_s=max_age_s,
            progress=progress,
        )
        stream = self._frame_stream(frame, prefix, (keep, rename, only), spec, in_one_part=True)
        enriched: list[Any] = []
        try:
            async with stream:
                async for part in stream:
                    enriched.append(part)  # noqa: PERF401  # kept if the run is stopped
        except CleanlistError as error:
            if stream.is_for_nothing:
                raise
            log.warning("the enrichment of a frame was stopped: %s", error)
        except BaseException:
            bulk.keep_abandoned(stream.leftover, spec)
            raise
        if stream.pending:
            bulk.keep_abandoned(stream.pending, spec)
        return cast("Frame", concatenated(enriched, frame))

    def stream_frame(
        self,
        frame: object,
        *,
        columns: Columns | None = None,
        extra: Extra = "ignore",
        enrichment_type: EnrichmentType = "partial",
        max_credits: float | None = None,
        prefix: str = COLUMN_PREFIX,
        fresh: bool = False,
        max_age_s: float | None = None,
        suppress: Suppress | None = None,
        keep: Keep | None = None,
        rename: Mapping[str, str] | None = None,
        only: Only | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> FrameStream:
        """Enrich a frame in bounded memory, yielding its rows in parts, as `enrich_frame` returns them.

        ::

            import polars as pl

            async with client.stream_frame(pl.scan_csv("contacts.csv")) as parts:
                async for part in parts:
                    print(part["cleanlist_status"])

        """
        spec = self._frame_spec(
            columns,
            extra,
            suppress,
            enrichment_type=enrichment_type,
            max_credits=max_credits,
            fresh=fresh,
            max_age_s=max_age_s,
            progress=progress,
        )
        # Within a window, since memory that holds all identities is not bounded.
        return self._frame_stream(frame, prefix, (keep, rename, only), replace(spec, dedupe="window"))

    def _frame_stream(
        self,
        frame: object,
        prefix: str,
        chosen: tuple[Keep | None, Mapping[str, str] | None, Only | None],
        spec: RunSpec,
        *,
        in_one_part: bool = False,
    ) -> FrameStream:
        from cleanlist_async.enrich.frame_stream import FrameStream  # noqa: PLC0415  # needs an extra
        from cleanlist_async.tables.output_choice import OutputChoice  # noqa: PLC0415

        check_text("prefix", prefix)
        choice = OutputChoice.of(*chosen, prefix=prefix)
        return FrameStream(self._bulk()[0], frame, spec, prefix, choice, in_one_part=in_one_part)

    def _frame_spec(
        self, columns: Columns | None, extra: Extra, suppress: Suppress | None, **options: Any
    ) -> RunSpec:
        from cleanlist_async.enrich.chunk import RunSpec  # noqa: PLC0415  # loads pydantic
        from cleanlist_async.tables.input_options import InputOptions  # noqa: PLC0415

        given = InputOptions.of(columns, extra, suppress)
        _, call_options = self._bulk()
        return RunSpec(options=call_options, input=given, **options).checked()

    def _bulk(self) -> tuple[BulkService, CallOptions]:
        raise NotImplementedError
