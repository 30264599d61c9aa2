"""``client.export`` and ``client.search`` against the sandbox, and the escape hatch."""

import pytest

from cleanlist_async import InvalidCursorError, NotFoundError, RequestValidationError
from tests.support.modern_world import both_versions, error_of, last_body, list_of


@both_versions
@pytest.mark.operation("export_csv")
async def test_a_csv_file_is_made(world):
    list_id = await list_of(world, 4)
    made = await world.client.export.export_csv(list_id, columns=("email",))
    assert last_body(world) == {"list_id": list_id, "columns": ["email"], "include_smart_agents": True}
    assert (made.list_id, made.row_count) == (list_id, 4)
    assert made.file_size_bytes > 4 * len("ada0@example.com")
    assert made.expires_at.tzinfo is not None
    assert "sig=" in made.download_url
    assert "sig=" not in repr(made)


@both_versions
@pytest.mark.operation("export_json")
async def test_all_leads_as_json(world):
    list_id = await list_of(world, 25)
    rows = [
        row
        async for row in world.client.export.export_json(
            list_id, limit=10, columns=(name for name in ("lead_id", "email"))
        )
    ]
    assert len(rows) == 25
    assert all(set(row) == {"lead_id", "email"} for row in rows)
    assert world.ledger.requests[-1].query.count("columns=") == 2
    emails = [row["email"] async for row in world.client.export.export_json(list_id, columns="email")]
    assert len(set(emails)) == 25
    error = await error_of(anext(aiter(world.client.export.export_json(list_id, cursor="no"))))
    assert isinstance(error, InvalidCursorError)


async def test_limits_of_exports(world):
    with pytest.raises(RequestValidationError, match="limit"):
        world.client.export.export_json("l", limit=501)
    with pytest.raises(RequestValidationError, match="list_id"):
        world.client.export.export_json("")
    assert str(await error_of(world.client.export.export_csv("l", columns=[]))).startswith("columns")
    assert isinstance(await error_of(world.client.export.export_csv("nobody")), NotFoundError)
    assert len(world.ledger.requests) == 1
