"""Events that wait in a store for the worker they are for: the table, and what is done to it.

The table is made when a mailbox is first used, for few stores have one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from cleanlist_async import facts
from cleanlist_async.storage.store.statements import Operation, Statement, deferred

_HAS_MAIL: Final = "SELECT 1 FROM {table_names} WHERE name = 'cleanlist_mail'"
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS cleanlist_mail (
    id {identity},
    recipient TEXT NOT NULL,
    content {blob} NOT NULL,
    sent_at {real} NOT NULL
)
"""
_INDEX: Final = "CREATE INDEX IF NOT EXISTS cleanlist_mail_by_recipient ON cleanlist_mail (recipient)"
_FORGET: Final = "DELETE FROM cleanlist_mail WHERE sent_at < {now} - :kept_s"
_COUNT_OF_ONE: Final = """
SELECT count(*), coalesce(sum(length(content)), 0), count(CASE WHEN content = :event THEN 1 END)
FROM cleanlist_mail WHERE recipient = :recipient
"""
_COUNT: Final = "SELECT count(*), coalesce(sum(length(content)), 0) FROM cleanlist_mail"
_PUT: Final = "INSERT INTO cleanlist_mail (recipient, content, sent_at) VALUES (:recipient, :event, {now})"
_TAKE: Final = """
DELETE FROM cleanlist_mail WHERE recipient {in recipients} OR sent_at < {now} - :kept_s
RETURNING id, recipient, content, sent_at >= {now} - :kept_s
"""


def create() -> Operation[None]:
    """Make the table if it is not there; one that is there needs no right to make any."""
    if (yield Statement(_HAS_MAIL)).one is None:
        yield deferred(_TABLE, {})
        yield deferred(_INDEX, {})


def put(recipient: str, event: bytes) -> Operation[bool]:
    """Keep an event, a repeated one only once; return whether it is kept. There may be no room."""
    yield deferred(_FORGET, {"kept_s": facts.MAILBOX_KEPT_S})
    of_one = {"recipient": recipient, "event": event}
    waiting, size, same = (yield Statement(_COUNT_OF_ONE, of_one)).rows[0]
    if same:
        return True
    of_all, size_of_all = (yield Statement(_COUNT)).rows[0]
    if (
        waiting >= facts.MAX_WAITING_EVENTS
        or size + len(event) > facts.MAX_WAITING_BYTES
        or of_all >= facts.MAX_MAILBOX_EVENTS
        or size_of_all + len(event) > facts.MAX_MAILBOX_BYTES
    ):
        return False
    yield deferred(_PUT, of_one)
    return True


def take(recipients: Collection[str]) -> Operation[Mapping[str, Sequence[bytes]]]:
    """Return the events of these recipients, oldest first, and delete them."""
    values = {"recipients": list(recipients), "kept_s": facts.MAILBOX_KEPT_S}
    taken: dict[str, list[bytes]] = {}
    # Sorted by id: neither database says in which order RETURNING gives its rows.
    for _, recipient, content, is_fresh in sorted((yield Statement(_TAKE, values)).rows):
        if is_fresh:
            taken.setdefault(recipient, []).append(bytes(content))
    return taken
