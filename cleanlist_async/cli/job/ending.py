"""How a run of a job ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cleanlist_async.cli.job.show import pilot_as_json, status_as_json
from cleanlist_async.cli.terminal.exits import ExitCode, code_of_end, error_as_json
from cleanlist_async.errors import CleanlistError
from cleanlist_async.job.journal.records import ChunkState
from cleanlist_async.job.pilot import Pilot
from cleanlist_async.job.status import JobStatus
from cleanlist_async.tables import TableError
from cleanlist_async.types import JSON

_FINISHED: Final = ("complete", "complete_with_unknown")


@dataclass(slots=True)
class Ending:
    """How a run ended."""

    status: JobStatus
    stopped_by: CleanlistError | None = None
    stop: ExitCode = ExitCode.DONE
    shortfall: float | None = None
    """Credits that are missing, as the server says, or else at most for all that is left."""
    pilot: Pilot | None = None
    file_error: TableError | None = None
    written: str | None = None
    notes: list[str] = field(default_factory=list[str])

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.status.state in _FINISHED and self.stopped_by is None

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        return code_of_end(self.stop, self.stopped_by, self.file_error, is_complete=self._is_whole)

    @property
    def _is_whole(self) -> bool:
        lacks = self.status.results.get("failed") or self.status.chunks.get(ChunkState.REFUSED)
        return self.status.state == "complete" and not lacks

    def as_json(self) -> dict[str, JSON]:
        """Return it for ``--json``."""
        stop: JSON = error_as_json(self.stopped_by or self.file_error)
        if self.stop and stop is None:
            stop = {"type": self.stop.name, "message": "stopped by a signal", "request_id": None}
        pilot = pilot_as_json(self.pilot) if self.pilot else None
        return {
            **status_as_json(self.status, is_running=False),
            "shortfall_credits": self.shortfall,
            "pilot": pilot,
            "file": self.written,
            "stopped_by": stop,
        }
