"""A 404 that is not Cleanlist's leads to base_url, and shows where the request went."""

import json

import pytest

from cleanlist_async import CleanlistError, NotFoundError, UnknownOutcomeError
from tests.support.cases import each_case
from tests.support.clients import ADA, against, always, answer

FASTAPI = answer(404, b'{"detail":"Not Found"}', {"content-type": "application/json"})
NGINX = answer(404, b"<html>404 Not Found nginx</html>", {"content-type": "text/html"})
ABSENT = answer(404, json.dumps({"error": {"code": "not_found", "problem": "no such thing"}}).encode(), {})


async def refusals(script):
    async with against(script) as (client, server):
        for call in (
            client.public.validate_key(),
            client.public.submit_bulk([ADA]),
            client.enrich([ADA]),
        ):
            with pytest.raises(CleanlistError) as raised:
                (await call).raise_for_error()
            yield raised.value, server.base_url


@pytest.mark.sockets
@pytest.mark.anyio
@each_case("script", [FASTAPI, NGINX])
async def test_it_says_to_check_base_url(script):
    async for error, base_url in refusals(always(script)):
        assert "Check base_url (CLEANLIST_BASE_URL): the request went to " in str(error)
        assert f"{base_url}/api/v1/public/" in str(error)
        assert "other organizations" not in str(error)


@pytest.mark.sockets
@pytest.mark.anyio
async def test_what_a_gateway_answers_to_a_submit_stays_unknown():
    async with against(always(NGINX)) as (client, _):
        with pytest.raises(UnknownOutcomeError) as raised:
            await client.public.submit_bulk([ADA])
    assert "Check the portal" in str(raised.value)


@pytest.mark.sockets
@pytest.mark.anyio
async def test_what_cleanlist_does_not_have_is_not_blamed_on_the_address():
    async with against(always(ABSENT)) as (client, _):
        with pytest.raises(NotFoundError) as raised:
            await client.public.validate_key()
    async with against(always(FASTAPI)) as (client, _):
        with pytest.raises(NotFoundError) as of_an_id:
            await client.public.bulk_status(workflow_id="wf_1")
    for error in (raised.value, of_an_id.value):
        assert "base_url" not in str(error)
        assert "other organizations" in str(error)
