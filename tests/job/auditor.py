"""What a journal and the server's ledger say of each other, by someone who trusts neither.

Reads the journal with plain sqlite3. Shares no code with the package, not even the names of the states.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict

FIELDS = ("linkedin_url", "first_name", "last_name", "company_name", "company_domain", "email")
OPEN = {"sending", "unknown", "abandoned"}
WITH_WORKFLOW = {"accepted", "fetching", "done", "partial", "remote_failed", "remote_expired"}
STATES = {"planned", "refused", *OPEN, *WITH_WORKFLOW}


def audit(path, ledger, contacts, *, unknown_at_most=None) -> list[str]:
    """Return every broken rule: I1 to I5 and I7 of the design, as sentences."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        journal = _Journal(db)
    db.close()
    return [
        *_twice(journal, ledger, contacts),
        *_lost(journal, ledger, contacts),
        *_more_accepted_than_tried(journal, ledger),
        *_counts(journal, contacts),
        *_workflows(journal),
        *_too_many_unknown(journal, unknown_at_most),
    ]


class _Journal:
    def __init__(self, db) -> None:
        names = ("number", "first", "last", "contacts", "is_pilot", "state", "workflow_id", "reason")
        rows = db.execute(f"SELECT {', '.join(names)} FROM chunks ORDER BY first")
        self.chunks = [dict(zip(names, row, strict=True)) for row in rows]
        self.attempts = db.execute("SELECT chunk, outcome, idempotency_key FROM attempts").fetchall()
        self.evidence = {row[0] for row in db.execute("SELECT workflow_id FROM evidence")}
        decided = (
            "SELECT chunk, count(*) FROM decisions WHERE decision IN ('absent', 'resubmit') GROUP BY chunk"
        )
        self.decisions = dict(db.execute(decided))
        self.results = db.execute("SELECT place, chunk, status FROM results").fetchall()
        self.duplicates = dict(db.execute("SELECT place, first FROM duplicates"))
        self.invalid = {row[0] for row in db.execute("SELECT place FROM invalid")}
        self.picked = dict(db.execute("SELECT place, chunk FROM picked"))

    def chunk_of(self, place):
        place = self.duplicates.get(place, place)
        if place in self.picked:
            return self.by_number(self.picked[place])
        return next(c for c in self.chunks if not c["is_pilot"] and c["first"] <= place <= c["last"])

    def by_number(self, number):
        return next(c for c in self.chunks if c["number"] == number)


def _who(contact) -> tuple[str, ...]:
    get = contact.get if hasattr(contact, "get") else lambda name: getattr(contact, name)
    return tuple(str(get(name) or "").strip() for name in FIELDS)


def _places(contacts):
    places = defaultdict(list)
    for place, contact in enumerate(contacts):
        places[_who(contact)].append(place)
    return places


def _twice(journal, ledger, contacts):
    places, workflows = _places(contacts), defaultdict(set)
    for accepted in ledger.contacts:
        workflows[_who(accepted.contact)].add(accepted.workflow_id)
    for who, ids in workflows.items():
        if who not in places:
            yield f"somebody was bought who is not in the input: {ids}"
            continue
        chunk = journal.chunk_of(places[who][0])
        if len(ids) > 1 + journal.decisions.get(chunk["number"], 0):
            yield f"contact {places[who][0]} was bought {len(ids)} times without a decision"


def _lost(journal, ledger, contacts):
    places = _places(contacts)
    known = {chunk["workflow_id"] for chunk in journal.chunks} | journal.evidence
    for accepted in ledger.contacts:
        chunk = journal.chunk_of(places[_who(accepted.contact)][0])
        decided = chunk["number"] in journal.decisions
        if accepted.workflow_id not in known and chunk["state"] not in OPEN and not decided:
            yield f"workflow {accepted.workflow_id} is lost: its chunk is {chunk['state']}"
            return


def _more_accepted_than_tried(journal, ledger):
    workflows = {accepted.workflow_id for accepted in ledger.contacts}
    keys = {key or number for number, (_, _, key) in enumerate(journal.attempts)}
    if len(workflows) > len(keys):
        yield f"{len(workflows)} workflows of {len(keys)} attempts"


def _counts(journal, contacts):
    sent = sum(chunk["contacts"] for chunk in journal.chunks)
    total = sent + len(journal.duplicates) + len(journal.invalid)
    if total != len(contacts):
        yield f"{len(contacts)} contacts, of which the journal has {total}"
    by_chunk = defaultdict(set)
    for place, number, _ in journal.results:
        by_chunk[number].add(place)
        if journal.chunk_of(place)["number"] != number:
            yield f"the result at {place} is in chunk {number}, the contact is not"
    for chunk in journal.chunks:
        found = len(by_chunk[chunk["number"]])
        if chunk["state"] in {"done", "remote_failed"} and found != chunk["contacts"]:
            yield f"chunk {chunk['number']} is {chunk['state']} with {found} of {chunk['contacts']} results"


def _workflows(journal):
    ids = [chunk["workflow_id"] for chunk in journal.chunks if chunk["workflow_id"]]
    if len(ids) != len(set(ids)):
        yield "two chunks have one workflow"
    for chunk in journal.chunks:
        if chunk["state"] not in STATES:
            yield f"chunk {chunk['number']} is {chunk['state']}, whatever that is"
        nothing = chunk["reason"] == "nothing to send"
        if chunk["state"] in WITH_WORKFLOW and not chunk["workflow_id"] and not nothing:
            yield f"chunk {chunk['number']} is {chunk['state']} without a workflow"


def _too_many_unknown(journal, at_most):
    unknown = sum(chunk["state"] == "unknown" for chunk in journal.chunks)
    if at_most is not None and unknown > at_most:
        yield f"{unknown} chunks are unknown, more than {at_most}"
