"""What the tests of the job commands share: how to start and resume a job, and what must hold of it."""

import json

START = ("job", "start", "in.csv", "--journal", "run.journal")
RESUME = ("job", "resume", "run.journal", "in.csv")


def status_of(look):
    return json.loads(look("status", "run.journal", "--json").out)


def without_ids(results):
    own = dict.fromkeys(("cleanlist_workflow_id", "cleanlist_task_id"))
    return [{**row, **own} for row in results]


def check(sandbox, contacts):
    """Every contact was bought once."""
    assert not sandbox.ledger.duplicates()
    assert len(sandbox.ledger.contacts) == contacts
    assert sandbox.ledger.count(429) == 0
