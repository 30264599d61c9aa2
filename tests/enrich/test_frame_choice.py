"""Which columns a frame gets, under which names, and the rows of which outcomes come back."""

from __future__ import annotations

import polars as pl
import pytest

from cleanlist_async import ConfigurationError
from tests.enrich.test_frames import KINDS, as_rows
from tests.support.cases import each_case
from tests.support.virtual_sandbox import open_world


@each_case("kind", KINDS)
async def test_columns_are_chosen_and_rows_left_out_in_every_kind_of_frame(world, kind):
    frame = KINDS[kind]()
    enriched = await world.client.enrich_frame(
        frame, keep=["email", "status"], rename={"cleanlist_status": "Status"}, only="found"
    )
    assert type(enriched) is type(frame)
    rows = as_rows(enriched)
    assert [list(row)[-2:] for row in rows] == [["cleanlist_email", "Status"]] * 3
    assert [(row["Vorname"], row["Status"]) for row in rows] == [
        *(("Ada0", "found"), ("Ada1", "found"), ("Ada0", "found"))
    ]


async def test_the_index_stays_with_the_rows(world):
    invalid = await world.client.enrich_frame(KINDS["pandas"](), only=["invalid", "failed"])
    assert list(invalid.index) == [3]
    assert list(invalid["Nachname"]) == ["Lovelace2"]


async def test_a_streamed_frame_is_chosen_of_as_well(world):
    async with world.client.stream_frame(
        KINDS["polars"](), prefix="c_", keep="c_error", only="invalid"
    ) as parts:
        rows = [row async for part in parts for row in as_rows(part)]
    assert [list(row)[-1] for row in rows] == ["c_error"]


async def test_a_frame_of_no_rows_keeps_its_columns(world):
    enriched = await world.client.enrich_frame(KINDS["polars"](), keep="status", only="pending")
    assert (enriched.height, enriched.columns[-1]) == (0, "cleanlist_status")


@pytest.mark.slow
@each_case("options", [{"keep": "email"}, {"only": "found"}, {"rename": {"workflow_id": "W"}}])
async def test_what_is_pending_and_not_told_is_kept_by_the_client(options):
    async with open_world(workflow_s=10_000) as world:
        client = world.client.with_options(deadline_s=300)
        enriched = await client.enrich_frame(KINDS["polars"](), **options)
        assert isinstance(enriched, pl.DataFrame)
        left = client.abandoned
        assert [result.status for result in left] == ["pending"] * 3
        assert all(result.workflow_id for result in left)


async def test_what_is_pending_and_told_is_not_kept_twice():
    async with open_world(workflow_s=10_000) as world:
        client = world.client.with_options(deadline_s=300)
        enriched = await client.enrich_frame(KINDS["polars"](), keep=["status", "workflow_id"])
        assert enriched["cleanlist_status"].to_list().count("pending") == 3
        assert client.abandoned == []


async def test_a_column_that_does_not_exist_is_refused_before_anything_is_sent(world):
    with pytest.raises(ConfigurationError, match="'emial' is no column of an enrichment"):
        await world.client.enrich_frame(KINDS["polars"](), keep=["emial"])
    assert world.submits() == 0
