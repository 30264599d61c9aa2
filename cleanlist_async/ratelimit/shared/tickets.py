"""The processes that use a pool, and a ticket for each of their wait queues."""

from __future__ import annotations

from dataclasses import dataclass, field

from cleanlist_async.ratelimit.shared.backend import ProcessRecordState, TicketState
from cleanlist_async.ratelimit.shared.process import Process
from cleanlist_async.ratelimit.wait_queues import RequestClass


@dataclass(slots=True)
class Ticket:
    """The rank of one wait queue among those of all processes."""

    keys: tuple[str, ...]
    kind: RequestClass
    since: float
    more: bool = False
    paced: bool = False

    def rank(self, window_s: float) -> float:
        """Return the time when its present request reached the head, plus the handicap of its class."""
        return self.since + self.kind.value * window_s

    def shares_a_key_with(self, other: Ticket) -> bool:
        """Whether one key could serve both."""
        return any(key in other.keys for key in self.keys)


@dataclass(slots=True)
class ProcessRecord:
    """A process that waits for tokens or holds some."""

    process: Process
    seen_at: float
    tickets: list[Ticket] = field(default_factory=list[Ticket])


def record_state(record: ProcessRecord) -> ProcessRecordState:
    """Return a record as plain data."""
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
    """Return the record that plain data describe."""
    return ProcessRecord(
        Process(state["process"], state["pid"], state["place"]),
        state["seen_at"],
        [
            Ticket(tuple(one["keys"]), RequestClass(one["kind"]), one["since"], one["more"], one["paced"])
            for one in state["tickets"]
        ],
    )
