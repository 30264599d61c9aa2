"""``client.lead_lists``: lists, the leads in them, and imports (docs.cleanlist.ai/mcp-api/lead-lists)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping
from enum import Enum
from os import PathLike
from typing import Final, Literal, cast, get_args
from uuid import uuid4

from cleanlist_async import facts
from cleanlist_async.api.csv_import import (
    ImportReport,
    check_mapping,
    part_keys,
    purchase_of,
    spend_of_import,
    split_for_import,
)
from cleanlist_async.api.models.lead_lists import (
    AddedLeads,
    CsvImport,
    DeletedList,
    Lead,
    LeadList,
    LeadListsPage,
    LeadListSummary,
    LeadsPage,
    RemovedLeads,
)
from cleanlist_async.api.modern import ModernGroup, modern, same_id
from cleanlist_async.api.pagination import Pages
from cleanlist_async.api.request_models import (
    AddLeads,
    CreateList,
    ImportCsv,
    ListLeads,
    ListLists,
    RemoveLeads,
    UpdateList,
)
from cleanlist_async.checks import (
    check_choice,
    check_flag,
    check_instance,
    check_text,
    checked_id,
    checked_path,
    optional,
)
from cleanlist_async.errors import CleanlistError, ConflictError, NotFoundError
from cleanlist_async.facts import CsvField, PersonType
from cleanlist_async.http.calls import Charge
from cleanlist_async.tables.formats import TableFormat
from cleanlist_async.tables.import_table import CsvParts, ImportTable
from cleanlist_async.types import CohortId, WorkflowId


class Unset(Enum):
    """The default of an argument for which None is a command: leave the field as it is."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET

LIST_LISTS: Final = modern(
    "list_lists", "GET", "/lead-lists", LeadListsPage, max_answer_bytes=facts.MAX_ANSWER_BYTES
)
CREATE_LIST: Final = modern("create_list", "POST", "/lead-lists", LeadList)
GET_LIST: Final = modern("get_list", "GET", "/lead-lists/{list_id}", LeadList)
UPDATE_LIST: Final = modern("update_list", "PATCH", "/lead-lists/{list_id}", LeadList)
DELETE_LIST: Final = modern("delete_list", "DELETE", "/lead-lists/{list_id}", DeletedList)
LIST_LEADS_IN_LIST: Final = modern(
    "list_leads_in_list",
    "GET",
    "/lead-lists/{list_id}/leads",
    LeadsPage,
    max_answer_bytes=facts.MAX_ANSWER_BYTES,
    of_models=False,  # leads are rows, made without pydantic
)
ADD_LEADS_TO_LIST: Final = modern("add_leads_to_list", "POST", "/lead-lists/{list_id}/leads", AddedLeads)
REMOVE_LEADS_FROM_LIST: Final = modern(
    "remove_leads_from_list", "DELETE", "/lead-lists/{list_id}/leads", RemovedLeads
)
CSV_IMPORT: Final = modern(
    "csv_import",
    "POST",
    "/lead-lists/{list_id}/csv-import",
    CsvImport,
    charge=lambda done: Charge(done.workflow_id),
    started=lambda id_: CsvImport(workflow_id=WorkflowId(id_)),
)


class LeadLists(ModernGroup):
    """Lists and the leads in them. Only an import with `dispatch_enrichment` spends credits."""

    def list_lists(
        self, *, folder_id: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> Pages[LeadListsPage, LeadListSummary]:
        """Return pages of lists: await for one, iterate for every list of all pages.

        `limit` is 1 to 100 lists per page (50). Needs the scope ``lists:read``.
        """
        return self._pages(
            LIST_LISTS,
            lambda cursor: ListLists.checked(folder_id=folder_id, limit=limit, cursor=cursor),
            cursor,
            items=lambda page: page.lists,
            identity=lambda found: found.list_id,
        )

    async def create_list(
        self, name: str, *, description: str | None = None, folder_id: str | None = None
    ) -> LeadList:
        """Create a private list, or find the caller's own list of this name: ``reused`` says which.

        `name` has 1 to 200 characters; letter case does not distinguish. Needs the scope ``lists:write``.
        Raises PermissionDeniedError (``list_cap_reached``), FolderNotFoundError.
        """
        return await self._ask(
            CREATE_LIST, CreateList.checked(name=name, description=description, folder_id=folder_id)
        )

    async def get_list(self, list_id: str) -> LeadList:
        """Return one list. Needs the scope ``lists:read``.

        Raises ListNotFoundError, also for a list of another organization.
        """
        return await self._ask(GET_LIST, list_id=list_id)

    async def update_list(
        self,
        list_id: str,
        *,
        name: str | Literal[Unset.UNSET] = UNSET,
        description: str | Literal[Unset.UNSET] | None = UNSET,
        folder_id: str | Literal[Unset.UNSET] | None = UNSET,
    ) -> LeadList:
        """Change what is given, and nothing else.

        None is a command: it clears the `description`, or takes the list out of its folder. Needs the scope
        ``lists:write``, and to be the owner. Raises RequestValidationError when nothing is given.
        """
        changes = {"name": name, "description": description, "folder_id": folder_id}
        request = UpdateList.given({field: value for field, value in changes.items() if value is not UNSET})
        return await self._ask(UPDATE_LIST, request, list_id=list_id)

    async def delete_list(self, list_id: str) -> DeletedList:
        """Delete a list permanently; its leads are kept.

        Needs the scope ``lists:write``, and to be the owner. Raises ListNotFoundError, PermissionDeniedError
        (``list_protected``).
        """

        # After a lost answer, "not found" means that the first attempt has deleted it.
        def gone(error: CleanlistError) -> DeletedList | None:
            found = isinstance(error, NotFoundError)
            return DeletedList(list_id=list_id, deleted=True) if found else None

        return await self._ask(DELETE_LIST, already_done=gone, list_id=list_id)

    # -- leads ---------------------------------------------------------------------------------

    def list_leads_in_list(
        self, list_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Pages[LeadsPage, Lead]:
        """Return pages of a list's leads: await for one, iterate for every lead of all pages.

        `limit` is 1 to 500 leads per page (100). Needs the scope ``lists:read``.
        """
        return self._pages(
            LIST_LEADS_IN_LIST,
            lambda cursor: ListLeads.checked(limit=limit, cursor=cursor),
            cursor,
            items=lambda page: page.leads,
            identity=lambda lead: lead.lead_id,
            list_id=list_id,
        )

    async def add_leads_to_list(
        self,
        list_id: str,
        *,
        lead_ids: Iterable[str] | None = None,
        task_id: CohortId | None = None,
        entity_ids: Iterable[str] | None = None,
        idempotency_key: str | None = None,
    ) -> AddedLeads:
        """Add leads by their ids (1 to 1,000), or a cohort that a search or a page gave.

        `entity_ids` (up to 2,000) are the members of the cohort to add, by default all. Each call has an
        `idempotency_key` of its own, so a retry adds nothing twice. Needs the scope ``lists:write``.
        """
        request = AddLeads.checked(
            lead_ids=lead_ids,
            task_id=task_id,
            entity_ids=entity_ids,
            # The client repeats the call after a lost answer, which must add nothing twice.
            idempotency_key=uuid4().hex if idempotency_key is None else idempotency_key,
        )
        return await self._ask(ADD_LEADS_TO_LIST, request, list_id=list_id)

    async def remove_leads_from_list(self, list_id: str, *, lead_ids: Iterable[str]) -> RemovedLeads:
        """Remove 1 to 100 leads from a list; unknown ids are ignored. Needs the scope ``lists:write``."""
        return await self._ask(
            REMOVE_LEADS_FROM_LIST, RemoveLeads.checked(lead_ids=lead_ids), list_id=list_id
        )

    # -- imports -------------------------------------------------------------------------------

    async def csv_import(
        self,
        list_id: str,
        *,
        csv_content_base64: str,
        column_mapping: Mapping[CsvField, str],
        dispatch_enrichment: bool = False,
        enrichment_type: PersonType | None = None,
        quote_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> CsvImport:
        """Import one CSV file of at most 150 KB and about 600 rows; `import_csv` takes any file.

        Credits are spent only with `dispatch_enrichment`, though the server's own default is to spend them.
        `column_mapping` maps fields to headers. Each call has an `idempotency_key` of its own; a key of yours
        is valid for 24 hours and one list: for another, the server would repeat its answer for the first one,
        which is raised as ConflictError. Raises MissingColumnError,
        PayloadTooLargeError, NotEnabledError. Needs the scope ``lists:write``; to enrich, ``enrich:write``.
        """
        request = ImportCsv.checked(
            csv_content_base64=csv_content_base64,
            column_mapping=column_mapping,
            dispatch_enrichment=dispatch_enrichment,
            enrichment_type=enrichment_type,
            quote_id=quote_id,
            idempotency_key=uuid4().hex if idempotency_key is None else idempotency_key,
        )
        spend = spend_of_import(request.csv_content_base64, enrichment_type if dispatch_enrichment else None)
        # The server answers a reused key with its first answer, also for another list.
        done = await self._ask(
            CSV_IMPORT, request, belongs=lambda _done: True, idempotent=True, spend=spend, list_id=list_id
        )
        if not same_id(done.list_id, list_id):
            raise ConflictError(
                "Nothing was imported: this idempotency_key was used for another list within 24 hours.",
                code="idempotency_key_reused",
                fix="Use another key.",
            )
        return done

    async def import_csv(
        self,
        list_id: str,
        source: str | PathLike[str] | bytes,
        *,
        column_mapping: Mapping[CsvField, str] | None = None,
        format: TableFormat | None = None,  # noqa: A002 - the word of the command line
        encoding: str | None = None,
        delimiter: str | None = None,
        has_header: bool = True,
        dispatch_enrichment: bool = False,
        enrichment_type: PersonType | None = None,
        max_credits: float | None = None,
        idempotency_key: str | None = None,
    ) -> ImportReport:
        """Import a CSV file of any size (a path, or its bytes), in as many parts as the API requires.

        It is read as by `client.job`: `encoding`, `delimiter` and columns are detected unless given; the
        `format` is that of the file's name, else CSV. Without a header row (`has_header`) columns are named
        by their number, from "1". `column_mapping`, if given, names every column to send; the server would
        drop others. Rows that repeat an e-mail or LinkedIn address are left out, as by the server.

        Credits are spent only with `dispatch_enrichment`, which needs an `enrichment_type` and `max_credits`:
        before anything is sent, the most that all rows could cost must be within it (BudgetExceededError).

        With an `idempotency_key` of yours, importing the same file into the same list again within 24 hours
        repeats nothing; otherwise each call imports it again. Raises TableError, with row and column, for a
        file that cannot be read or imported. An error of the first part is raised; once a part was imported,
        the report is returned, with the error in ``stopped_by``.
        """
        checked_id("list_id", list_id)
        optional(check_text, "idempotency_key", idempotency_key)
        purchase = purchase_of(enrichment_type, max_credits, dispatch_enrichment=dispatch_enrichment)
        optional(check_mapping, "column_mapping", column_mapping)
        optional(check_choice, "format", format, get_args(TableFormat))
        optional(check_text, "encoding", encoding)
        optional(check_instance, "delimiter", delimiter, str)  # not check_text: a tab is blank
        check_flag("has_header", has_header)
        given = source if isinstance(source, bytes) else checked_path("source", source)

        def read() -> CsvParts:
            table = ImportTable.open(
                given,
                cast("Mapping[str, str]", column_mapping or {}),
                guess=column_mapping is None,
                format=format,
                encoding=encoding,
                delimiter=delimiter,
                has_header=has_header,
            )
            return split_for_import(table, purchase)

        split = await asyncio.get_running_loop().run_in_executor(None, read)  # seconds, for a large file
        report = ImportReport(list_id)
        report.leave_out(split.left_out)
        # One after the other: after an error, it is clear which parts were imported.
        for part, key in zip(split.parts, part_keys(split, list_id, purchase, idempotency_key), strict=True):
            try:
                done = await self.csv_import(
                    list_id,
                    csv_content_base64=base64.b64encode(part.content).decode(),
                    column_mapping=split.mapping,
                    dispatch_enrichment=purchase is not None,
                    enrichment_type=purchase.enrichment_type if purchase else None,
                    idempotency_key=key,
                )
            except CleanlistError as error:
                # Nothing was imported yet, so there is no report to lose.
                if not report.parts:
                    raise
                report.stopped_by = error
                break
            report.add(part, done)
        return report
