import json
from functools import partial

import anyio
import pytest

from cleanlist_async.facts import MODERN_PREFIXES, PUBLIC_PREFIX
from tests.live import openapi
from tests.live.session import UnsettledError
from tests.support.faulty_server import FaultyServer, answer, garbage, redirect
from tests.surface.specification import MODELS, SPECIFIED

V2 = MODERN_PREFIXES["v2"]


def schema_of(kind):
    if isinstance(kind, str):
        return {} if kind == "any" else {"type": kind}
    if "ref" in kind:
        return {"$ref": f"#/components/schemas/{kind['ref']}"}
    if "array_of" in kind:
        return {"type": "array", "items": schema_of(kind["array_of"])}
    return {"type": "object", "additionalProperties": schema_of(kind["map_of"])}


def property_of(rule):
    schema = schema_of(rule["type"]) | {name: rule[name] for name in ("enum", "const") if name in rule}
    return {"anyOf": [schema, {"type": "null"}]} if rule.get("nullable") else schema


def content(schema):
    return {"content": {"application/json": {"schema": schema}}}


def specified_document():
    """The document of a server that is as specified, in the form that FastAPI gives it."""
    schemas = {
        name: {"oneOf": [schema_of({"ref": part}) for part in model["one_of"]]}
        if "one_of" in model
        else {"properties": {field: property_of(rule) for field, rule in model["fields"].items()}}
        for name, model in MODELS.items()
    }
    paths = {}
    for operation in SPECIFIED.values():
        item = {"responses": {"200": content(schema_of({"ref": operation["response_model"]}))}}
        item["parameters"] = [
            {"name": one["name"], "in": one["in"], "schema": {"enum": one["enum"]} if "enum" in one else {}}
            for one in operation["params"]
        ]
        if operation["request_model"]:
            item["requestBody"] = content(schema_of({"ref": operation["request_model"]}))
        paths.setdefault(operation["path"], {})[operation["method"].lower()] = item
    for name, facts in openapi.LEGACY.items():
        method, path = name.split()
        paths.setdefault(path, {})[method.lower()] = legacy_item(facts)
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


def legacy_item(facts):
    bodies = {"request": {}, "response": {}}
    for fact in facts:
        side, *names = fact.replace("[]", ".items").partition(" = ")[0].split(".")
        if side in bodies:
            at = bodies[side]
            for name in names:
                at = (
                    at.setdefault(name, {})
                    if name == "items"
                    else at.setdefault("properties", {}).setdefault(name, {})
                )
            if " = " in fact:
                at.setdefault("enum", []).append(fact.partition(" = ")[2])
    query = [fact.removeprefix("parameter ") for fact in facts if fact.startswith("parameter ")]
    return {
        "parameters": [{"name": name, "in": "query"} for name in query],
        "requestBody": content(bodies["request"]),
        "responses": {"200": content(bodies["response"])},
    }


@pytest.fixture
def document():
    return specified_document()


def test_a_server_as_specified_has_no_change(document):
    drift = openapi.compare(document)

    assert drift == openapi.Drift()
    assert "no change" in "".join(drift.lines())


def test_a_new_operation_and_one_that_is_gone_are_named(document):
    document["paths"][f"{V2}/workflows/{{id}}/cancel"] = {"post": {}}
    del document["paths"][f"{V2}/usage"]

    drift = openapi.compare(document)

    assert drift.new == [f"POST {V2}/workflows/{{}}/cancel"]
    assert drift.gone == [f"GET {V2}/usage"]


def test_new_fields_are_named_with_their_operation(document):
    document["components"]["schemas"]["WhoamiResponse"]["properties"]["region"] = {"type": "string"}
    bulk = document["paths"][f"{PUBLIC_PREFIX}/enrich/bulk"]["post"]["requestBody"]
    bulk["content"]["application/json"]["schema"]["properties"]["priority"] = {"type": "integer"}

    drift = openapi.compare(document)

    assert drift.new == [
        f"GET {V2}/whoami: response.region",
        f"POST {PUBLIC_PREFIX}/enrich/bulk: request.priority",
    ]
    assert drift.gone == []


def test_a_field_that_is_gone_is_named_in_lists_too(document):
    del document["components"]["schemas"]["LeadRow"]["properties"]["provider"]

    drift = openapi.compare(document)

    assert f"GET {V2}/lead-lists/{{}}/leads: response.leads[].provider" in drift.gone
    assert drift.new == []


def test_words_that_are_new_or_gone_are_named(document):
    tier = document["components"]["schemas"]["WhoamiResponse"]["properties"]["tier"]
    tier["enum"] = ["free", "starter", "pro", "scale"]

    drift = openapi.compare(document)

    assert drift.new == [f"GET {V2}/whoami: response.tier = scale"]
    assert drift.gone == [f"GET {V2}/whoami: response.tier = enterprise"]


def test_a_new_parameter_is_named(document):
    document["paths"][f"{V2}/usage"]["get"]["parameters"].append({"name": "since", "in": "query"})

    assert openapi.compare(document).new == [f"GET {V2}/usage: parameter since"]


def test_operations_under_the_public_prefix_are_not_new(document):
    document["paths"][f"{PUBLIC_PREFIX}/usage"] = document["paths"][f"{V2}/usage"]

    assert openapi.compare(document) == openapi.Drift()


def test_operations_of_other_prefixes_are_only_counted(document):
    document["paths"]["/internal/health"] = {"get": {}, "head": {}}

    assert openapi.compare(document) == openapi.Drift(others=1)


def test_schemas_that_refer_to_themselves_or_to_nothing_end(document):
    schemas = document["components"]["schemas"]
    schemas["LeadRow"]["properties"]["manager"] = {"$ref": "#/components/schemas/LeadRow"}
    schemas["CreditsBalanceResponse"]["properties"]["odd"] = {"$ref": "#/nowhere"}
    schemas["Loop"] = {"$ref": "#/components/schemas/Loop"}
    schemas["UsageGroupRow"]["properties"]["loop"] = {"$ref": "#/components/schemas/Loop"}

    new = openapi.compare(document).new

    assert f"GET {V2}/credits/balance: response.odd" in new
    assert f"GET {V2}/usage: response.rows[].loop" in new
    assert f"GET {V2}/lead-lists/{{}}/leads: response.leads[].manager" in new


@pytest.mark.parametrize("odd", [None, [], {"paths": []}, {"paths": {"/x": 7}}, {"paths": {}}, "text"])
def test_what_is_no_openapi_document_is_refused(odd):
    with pytest.raises(UnsettledError):
        openapi.compare(odd)


def look_at(script):
    """What comes of looking at a server that answers so, and the requests that it got."""

    async def main():
        async with FaultyServer(script) as server:
            return await openapi.look(server.base_url), server.requests

    return anyio.run(main)


def test_the_document_is_fetched_once_and_without_a_key(document, monkeypatch):
    monkeypatch.setenv("CLEANLIST_API_KEY", "clapi_secret_5f2c0e9b7d")

    drift, requests = look_at(lambda request, number: answer(body=json.dumps(document).encode()))

    assert drift == openapi.Drift()
    assert len(requests) == 1
    assert "authorization" not in requests[0].headers


@pytest.mark.parametrize(
    ("served", "says"),
    [
        (answer(404), "not served (status 404)"),
        (redirect("http://127.0.0.1:1/elsewhere"), "not served (status 302)"),
        (answer(body=b"<html>"), "names no operation"),
        (answer(body=b" " * (openapi.MAX_BYTES + 1)), "more than 8,000,000 bytes"),
        (garbage(), "cannot be fetched (RemoteProtocolError)"),
    ],
)
def test_a_document_that_cannot_be_had_is_a_line_and_no_error(served, says):
    drift, requests = look_at(lambda request, number: served)

    (line,) = drift.lines()
    assert says in line
    assert len(requests) == 1


def test_a_server_that_cannot_be_reached_is_a_line_and_no_error():
    drift = anyio.run(partial(openapi.look, "http://127.0.0.1:1"))

    assert "ConnectError" in drift.problem
