"""Enriched contacts in a warehouse, as a transformer of dlt (dlthub.com). Needs the extra ``dlt``."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from cleanlist_async import facts
from cleanlist_async.checks import (
    check_callable,
    check_enrichment_type,
    check_instance,
    check_text,
    is_any,
    optional,
)
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.contacts.checks import is_frame
from cleanlist_async.contacts.texts import as_text
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.integrations import explain_missing
from cleanlist_async.results import EnrichmentResult
from cleanlist_async.tables.contact_rows import Columns
from cleanlist_async.tables.input_options import Suppress
from cleanlist_async.tables.output_choice import as_dict

try:
    import dlt
    from dlt.destinations.exceptions import DatabaseUndefinedRelation
    from dlt.extract import DltResource
except ModuleNotFoundError as missing:
    explain_missing(missing, "Warehouses need", "dlt", "dlt")
    raise

KEY: Final = "key"
"""The column by which rows are merged."""
ENRICHED_AT: Final = "cleanlist_enriched_at"
_TYPES: Final = {
    "cleanlist_status": "text",
    "cleanlist_email": "text",
    "cleanlist_email_status": "text",
    "cleanlist_phones": "json",
    "cleanlist_credits": "double",
    "cleanlist_error": "text",
    ENRICHED_AT: "timestamp",
}
_RECEIPT_TYPES: Final = {
    KEY: "text",
    "status": "text",
    "credits": "double",
    "billed": "text",
    "workflow_id": "text",
    "task_id": "text",
    "at": "timestamp",
}
_ASKED_AT_ONCE: Final = 1_000
"""Keys in one query: some warehouses take no more."""
_FINAL: Final = frozenset({"found", "not_found", "invalid"})
"""Statuses of rows that are loaded; contacts of any other are tried again in the next run."""


def enriched_contacts(
    client: Callable[[], AsyncCleanlist],
    *,
    key: str,
    table: str = "enriched_contacts",
    receipts: str = "cleanlist_receipts",
    columns: Columns | None = None,
    enrichment_type: EnrichmentType = "partial",
    refresh_after: timedelta | None = None,
    suppress: Suppress | None = None,
) -> DltResource:
    """Return a transformer that enriches the rows of a resource. Spends credits when a pipeline runs it.

    Each page of the resource goes out in requests of its own, many pages at once: let it yield lists of 250
    rows or more. The rows come back with what was found, merged into *table* by their ``key``, the text of
    their column *key*. Of each contact that was asked for a line is added to the table *receipts*.

    Rows whose key the destination has are skipped, unless they were enriched longer than `refresh_after`
    ago. A contact without a result yet is in the receipts alone, and tried again in the next run. What was
    bought is in the client's store, which it needs, so a run that fails before it has loaded everything
    costs nothing when it is repeated; limit what runs may spend by the budget of that store.

    Parameters
    ----------
    client
        Makes the client that a page is enriched with, such as ``partial(AsyncCleanlist, store=...)``.
    columns
        The field of a contact that a column holds, as for ``client.enrich``.
    suppress
        Whom not to enrich, as for ``client.enrich``.

    """
    check_callable("client", client)
    for name, text in (("key", key), ("table", table), ("receipts", receipts)):
        check_text(name, text)
    check_enrichment_type(enrichment_type)
    optional(check_instance, "refresh_after", refresh_after, timedelta)

    async def enrich(page: Any) -> AsyncGenerator[Any, None]:
        rows = {_key_of(row, key): row for row in _rows(page)}
        pipeline = dlt.current.pipeline()
        # In a thread: dlt has one event loop for all pages.
        find = partial(_keys_there, pipeline, table, list(rows), refresh_after)
        there = await get_running_loop().run_in_executor(None, find)
        wanted = [one for one in rows if one not in there]
        if not wanted:
            return
        # A client for each page: dlt does not say which one is the last, so that no other could be closed.
        async with client() as opened:
            if opened.store is None:
                raise ConfigurationError(
                    "A pipeline buys through the client's store, and the client has none.",
                    fix="partial(AsyncCleanlist, store=...), or $CLEANLIST_STORE.",
                )
            report = await opened.enrich(
                [rows[one] for one in wanted],
                columns=columns,
                enrichment_type=enrichment_type,
                # Without it, the store would give back the result that is to be refreshed.
                max_age_s=None if refresh_after is None else refresh_after.total_seconds(),
                suppress=suppress,
            )
        results, now = list(zip(wanted, report.results, strict=True)), datetime.now(UTC)
        for start in range(0, len(results), facts.MAX_CONTACTS_PER_REQUEST):
            some = results[start : start + facts.MAX_CONTACTS_PER_REQUEST]
            yield [_row(one, rows[one], result, now) for one, result in some if result.status in _FINAL]
            yield _in_table(receipts, [_receipt(one, result, now) for one, result in some])

    return dlt.transformer(
        enrich,
        name=table,
        write_disposition="merge",
        primary_key=KEY,
        columns=_hints({KEY: "text", **_TYPES}),
    )


def _rows(page: Any) -> Sequence[Mapping[str, Any]]:
    if is_any(page, Mapping):
        return [page]
    if is_frame(page):
        from cleanlist_async.tables.frames import narwhals, opened  # noqa: PLC0415  # another extra

        return list(narwhals().from_native(opened(page)).rows(named=True))
    return list(page)


def _key_of(row: Mapping[str, Any], column: str) -> str:
    if (found := as_text(row.get(column))) is None:
        raise ConfigurationError(
            f"A row has no key in its column {column!r}.", fix="Name a column that every row has: key=..."
        )
    return found


def _keys_there(pipeline: Any, table: str, keys: list[str], refresh_after: timedelta | None) -> set[str]:
    """Return the keys that the destination has, and that are new enough."""
    there: set[str] = set()
    with pipeline.sql_client() as sql:
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            arguments: list[object] = [*keys[start : start + _ASKED_AT_ONCE]]
            marks = ", ".join(["%s"] * len(arguments))
            query = f"SELECT {KEY} FROM {sql.make_qualified_table_name(table)} WHERE {KEY} IN ({marks})"  # noqa: S608
            if refresh_after is not None:
                query += f" AND {ENRICHED_AT} > %s"
                arguments.append(datetime.now(UTC) - refresh_after)
            try:
                with sql.execute_query(query, *arguments) as found:
                    there |= {str(row[0]) for row in found.fetchall()}
            except DatabaseUndefinedRelation:  # the first run
                return set()
    return there


def _row(key: str, row: Mapping[str, Any], result: EnrichmentResult, at: datetime) -> dict[str, Any]:
    found = as_dict(result)
    enrichment = {name: found.get(name.removeprefix("cleanlist_")) for name in _TYPES}
    # When it was bought, not loaded: `refresh_after` counts from then, also for a result of the store.
    return {**row, KEY: key, **enrichment, ENRICHED_AT: result.bought_at or at}


def _receipt(key: str, result: EnrichmentResult, at: datetime) -> dict[str, Any]:
    return {
        KEY: key,
        "status": result.status,
        "credits": float(result.credits),
        "billed": result.billed,
        "workflow_id": result.workflow_id,
        "task_id": result.task_id,
        "at": at,
    }


def _in_table(name: str, rows: list[dict[str, Any]]) -> Any:
    hints = dlt.mark.make_hints(
        table_name=name, write_disposition="append", primary_key="", columns=_hints(_RECEIPT_TYPES)
    )
    return dlt.mark.with_hints(rows, hints, create_table_variant=True)


def _hints(types: Mapping[str, str]) -> Any:
    return {name: {"data_type": kind} for name, kind in types.items()}
