"""An endpoint says what it returns: results, reports and statistics of the client, as they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("fastapi")

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter

from cleanlist_async import (
    AsyncCleanlist,
    EnrichmentReport,
    EnrichmentResult,
    Statistics,
    Summary,
)
from cleanlist_async.types import BulkStatus, KeyValidation
from tests.support.clients import ADA
from tests.support.samples import sample


class Answer(BaseModel):
    result: EnrichmentResult


async def _report(client: AsyncCleanlist) -> EnrichmentReport:
    return await client.enrich([ADA], enrichment_type="full")


async def _one(client: AsyncCleanlist) -> EnrichmentResult:
    return await client.enrich_one(ADA)


async def _statistics(client: AsyncCleanlist) -> Statistics:
    return client.statistics()


CASES: dict[str, tuple[object, Callable[[AsyncCleanlist], Awaitable[object]]]] = {
    "a result": (EnrichmentResult, _one),
    "a report": (EnrichmentReport, _report),
    "statistics": (Statistics, _statistics),
}


@pytest.mark.parametrize("case", CASES)
async def test_an_endpoint_returns_what_the_client_returned(case, world):
    kind, ask = CASES[case]
    value = await ask(world.client)
    body = answered(kind, value)
    assert body == TypeAdapter(kind).dump_python(value, mode="json")


@pytest.mark.parametrize("kind", [EnrichmentResult, EnrichmentReport, Summary, BulkStatus, KeyValidation])
def test_an_endpoint_may_return_several_of_them(kind):
    assert len(answered(list[kind], [sample(kind), sample(kind)])) == 2


def test_a_field_of_a_model_may_be_one_of_them():
    assert answered(Answer, Answer(result=sample(EnrichmentResult)))["result"]["status"] == "found"


def answered(kind, value):
    app = FastAPI()

    async def get():
        return value

    get.__annotations__["return"] = kind
    app.get("/x")(get)
    with TestClient(app) as http:
        assert http.get("/openapi.json").status_code == 200
        response = http.get("/x")
    assert response.status_code == 200
    return response.json()
