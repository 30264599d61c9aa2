"""Who stands in queue at a pool: processes, and a ticket for each wait queue of theirs."""

from __future__ import annotations

from dataclasses import dataclass, field

from cleanlist_async.ratelimit.shared.backend import ProcessRecordState, TicketState
from cleanlist_async.ratelimit.shared.process import Process
from cleanlist_async.ratelimit.wait_queues import RequestClass


@dataclass(slots=True)
class Ticket:
    """The place of one wait queue among those of all processes."""

    keys: tuple[str, ...]
    kind: RequestClass
    since: float
    more: bool = False
    paced: bool = False

    def rank(self, window_s: float) -> float:
        """When it came to the head, and as many windows as its class has to stand back."""
        return self.since + self.kind.value * window_s

    def shares_a_key_with(self, other: Ticket) -> bool:
        """Whether one key would do for both."""
        return any(key in other.keys for key in self.keys)


@dataclass(slots=True)
class ProcessRecord:
    """A process that waits for tokens or holds some."""

    process: Process
    seen_at: float
    tickets: list[Ticket] = field(default_factory=list[Ticket])


def record_state(record: ProcessRecord) -> ProcessRecordState:
    """Return a process as plain data."""
    return ProcessRecordState(
        process=record.process.id,
        pid=record.process.pid,
        place=record.process.place,
        seen_at=record.seen_at,
        tickets=[
            TicketState(
                keys=list(ticket.keys),
                kind=ticket.kind.value,
                since=ticket.since,
                more=ticket.more,
                paced=ticket.paced,
            )
            for ticket in record.tickets
        ],
    )


def record_of(state: ProcessRecordState) -> ProcessRecord:
    """Return the process that plain data tell of."""
    return ProcessRecord(
        Process(state["process"], state["pid"], state["place"]),
        state["seen_at"],
        [
            Ticket(tuple(one["keys"]), RequestClass(one["kind"]), one["since"], one["more"], one["paced"])
            for one in state["tickets"]
        ],
    )
