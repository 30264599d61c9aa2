"""Rows as a server makes them, and how they are joined: for the tests of matching."""

from cleanlist_async import Contact
from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.enrich.matching import match_rows


def saying(**fields):
    return EnrichmentRow(fields)


def row(task_id=None, email="x@y.z", name=None, **fields):
    first, _, last = (name or "").partition(" ")
    return saying(
        task_id=task_id,
        status="completed",
        email=email,
        first_name=first or None,
        last_name=last or None,
        **fields,
    )


def named(first, last, domain="a.io", **more):
    return Contact(first_name=first, last_name=last, company_domain=domain, **more)


ADA, BOB, CY = named("Ada", "Lovelace"), named("Bob", "Kahn"), named("Cy", "Young")
IDS = ["t0", "t1", "t2"]


def emails(contacts, ids, rows, **options):
    return {at: found.email for at, found in match_rows(contacts, ids, rows, **options).items()}
