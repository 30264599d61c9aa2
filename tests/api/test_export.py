"""``client.export`` and ``client.search`` against the sandbox, and the escape hatch."""

from __future__ import annotations

import pytest

from cleanlist_async import InvalidCursorError, NotFoundError, RequestValidationError
from tests.support.modern_world import both_versions, error_of, last_body, list_of, modern


@both_versions
@pytest.mark.operation("export_csv")
def test_a_csv_file_is_made(version):
    async def main(here):
        list_id = await list_of(here, 4)
        made = await here.client.export.export_csv(list_id, columns=("email",))
        assert last_body(here) == {"list_id": list_id, "columns": ["email"], "include_smart_agents": True}
        assert (made.list_id, made.row_count) == (list_id, 4)
        assert made.file_size_bytes > 4 * len("ada0@example.com")
        assert made.expires_at.tzinfo is not None
        assert "sig=" in made.download_url
        assert "sig=" not in repr(made)

    modern(main, version)


@both_versions
@pytest.mark.operation("export_json")
def test_all_leads_as_json(version):
    async def main(here):
        list_id = await list_of(here, 25)
        rows = [
            row
            async for row in here.client.export.export_json(
                list_id, limit=10, columns=(name for name in ("lead_id", "email"))
            )
        ]
        assert len(rows) == 25
        assert all(set(row) == {"lead_id", "email"} for row in rows)
        assert here.ledger.requests[-1].query.count("columns=") == 2
        emails = [row["email"] async for row in here.client.export.export_json(list_id, columns="email")]
        assert len(set(emails)) == 25
        error = await error_of(anext(aiter(here.client.export.export_json(list_id, cursor="no"))))
        assert isinstance(error, InvalidCursorError)

    modern(main, version)


def test_limits_of_exports():
    async def main(here):
        with pytest.raises(RequestValidationError, match="limit"):
            here.client.export.export_json("l", limit=501)
        with pytest.raises(RequestValidationError, match="list_id"):
            here.client.export.export_json("")
        assert str(await error_of(here.client.export.export_csv("l", columns=[]))).startswith("columns")
        assert isinstance(await error_of(here.client.export.export_csv("nobody")), NotFoundError)
        assert len(here.ledger.requests) == 1

    modern(main)
