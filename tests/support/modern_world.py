"""What tests of the modern surface share: a world, a list with people, and what was on the wire."""

from __future__ import annotations

import json

import pytest

from cleanlist_async import RateLimits
from cleanlist_async.errors import CleanlistError
from tests.support.clients import WIDE
from tests.support.virtual_sandbox import open_world

both_versions = pytest.mark.parametrize("version", ["v2", "v1"])
PREFIXES = {"v2": "/api/v2", "v1": "/api/v1/public"}


def modern_world(version="v2", *, limits: RateLimits = WIDE, client_options=None, **options):
    """A sandbox and a client of it, without a limit in the way."""
    wide = {"org_limit": 10**6, "key_limit": 10**6} if limits is WIDE else {}
    client_options = {"api_version": version, **(client_options or {})}
    return open_world(limits=limits, client_options=client_options, **{**wide, **options})


def csv_of(count: int, start: int = 0) -> bytes:
    rows = [f"Ada{i},Lovelace{i},ada{i}@example.com,c{i % 7}.example" for i in range(start, start + count)]
    return "\n".join(["First Name,Last Name,Email,Domain", *rows]).encode()


async def list_of(world, people: int = 3, name: str = "Leads") -> str:
    """Make a list of so many people; returns its id."""
    created = await world.client.lead_lists.create_list(name)
    if people:
        report = await world.client.lead_lists.import_csv(created.list_id, csv_of(people))
        assert report.rows_imported == people
    return created.list_id


def sent(world, path: str, method: str = "POST") -> list:
    """The requests for a path, given without its prefix."""
    return [
        record for record in world.ledger.requests if record.path.endswith(path) and record.method == method
    ]


def last_body(world) -> dict:
    return json.loads(world.bodies[-1])


async def error_of(call) -> CleanlistError:
    """The error that a call raises; it is one of ours."""
    with pytest.raises(CleanlistError) as caught:
        await call
    return caught.value
