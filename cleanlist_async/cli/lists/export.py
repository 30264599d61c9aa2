"""``list export``: writes a list into a file. The signed address of the file is never shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import anyio
from rich.console import Console

from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.output import print_json
from cleanlist_async.cli.terminal.render import plural, say
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.facts import MAX_LEADS_PER_PAGE
from cleanlist_async.storage.permissions import opener_for


@dataclass(frozen=True, slots=True)
class Export:
    """The command, as it was typed."""

    list_id: str
    output: str
    columns: str | None
    overwrite: bool
    as_json: bool

    def carry_out(self, console: Console, connection: Connection) -> None:
        """Check the target, fetch, report. Raises CommandError if the file cannot be written."""
        target = self._checked_target()
        fetch = self._fetch_csv if target.suffix.lower() == ".csv" else self._fetch_jsonl
        rows = connection.ask(console, lambda client: fetch(client, target))
        if self.as_json:
            print_json({"list_id": self.list_id, "file": self.output, "rows": rows})
        else:
            say(console, f"Written: {self.output}, {plural(rows, 'lead')}.")

    def _checked_target(self) -> Path:
        target = Path(self.output)
        problem = ""
        if target.suffix.lower() not in {".csv", ".jsonl"}:
            problem = "is not an export file name: end it in .csv or .jsonl"
        elif target.is_dir():
            problem = "is a folder: name a file"
        elif not target.absolute().parent.is_dir():
            problem = "cannot be written: its folder does not exist"
        elif target.exists() and not self.overwrite:
            problem = "already exists: name another file, or pass --overwrite"
        if problem:
            raise CommandError(f"{self.output} {problem}.", ExitCode.REFUSED)
        return target

    @property
    def _columns(self) -> list[str] | None:
        names = [name.strip() for name in (self.columns or "").split(",")]
        return [name for name in names if name] or None

    async def _fetch_csv(self, client: AsyncCleanlist, target: Path) -> int:
        made = await client.export.download_csv(self.list_id, target, columns=self._columns)
        return made.row_count

    async def _fetch_jsonl(self, client: AsyncCleanlist, target: Path) -> int:
        # Beside the target, so that replace() stays within one file system and is atomic.
        part = anyio.Path(target.with_name(f"{target.name}.{uuid4().hex[:8]}.part"))
        try:
            async with await anyio.open_file(
                part, "x", encoding="utf-8", opener=opener_for(target)
            ) as stream:
                rows = await self._write_lines(client, stream)
            await part.replace(target)
        finally:
            with anyio.CancelScope(shield=True):  # a cancelled export leaves nothing behind either
                await part.unlink(missing_ok=True)
        return rows

    async def _write_lines(self, client: AsyncCleanlist, stream: anyio.AsyncFile[str]) -> int:
        rows = 0
        leads = client.export.export_json(self.list_id, limit=MAX_LEADS_PER_PAGE, columns=self._columns)
        async for lead in leads:
            await stream.write(json.dumps(lead, ensure_ascii=False) + "\n")
            rows += 1
        return rows
