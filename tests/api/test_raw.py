"""``client.request``: any operation by its path, and no other place."""

from cleanlist_async import ConfigurationError, NotFoundError
from tests.support.cases import each_case
from tests.support.modern_world import PREFIXES, both_versions, error_of, modern_world


@both_versions
async def test_any_operation_can_be_called_by_its_path(world, version):
    request = world.client.request
    made = await request("post", PREFIXES[version] + "/lead-lists", json={"name": "Raw"})
    answer = await request("GET", PREFIXES[version] + "/lead-lists", params={"limit": "5"})
    assert made["list_id"] in {one["list_id"] for one in answer["lists"]}
    assert isinstance(await error_of(request("GET", "/api/v2/nothing")), NotFoundError)


@each_case(
    "path",
    [
        "",
        "api/v2",
        "//evil.example/x",
        "https://evil.example",
        "/api/../x",
        "/api/%2e%2e/x",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/a\nb",
        "/./a",
        "/a\\b",
        "/ü",
        "/@evil.example:80//",
    ],
)
async def test_a_path_that_could_lead_elsewhere_is_not_sent(path):
    async with modern_world() as world:
        assert type(await error_of(world.client.request("GET", path))) is ConfigurationError
        assert not world.ledger.requests


async def test_odd_methods_and_bodies_are_not_sent(world):
    loop = []
    loop.append(loop)
    for method, body in (
        ("CONNECT", None),
        ("G E T", None),
        ("POST", object()),
        ("POST", float("nan")),
        ("POST", loop),
    ):
        assert (
            type(await error_of(world.client.request(method, "/api/v2/x", json=body))) is ConfigurationError
        )
    assert not world.ledger.requests
