"""What goes over the wire: exactly what the specification has, and only what was given."""

import json

from tests.support.cases import each_case
from tests.support.clients import KEY, Served, respond, virtual_client
from tests.surface.specification import MODELS, SPECIFIED, sample

LIST = "8c2f/1"
"""An id that has to be quoted in a path."""
ENCODED = "8c2f%2F1"

Q = {"quote_id": "qte_1"}
LEAST = {
    "whoami": ("workspace", (), {}, None),
    "credits_balance": ("workspace", (), {}, None),
    "credits_estimate": ("workspace", ("enrich_list",), {}, {"tool": "enrich_list"}),
    "list_api_keys": ("workspace", (), {}, None),
    "usage_report": ("workspace", (), {}, ""),
    "list_lists": ("lead_lists", (), {}, ""),
    "create_list": ("lead_lists", ("A",), {}, {"name": "A"}),
    "get_list": ("lead_lists", (LIST,), {}, None),
    "update_list": ("lead_lists", (LIST,), {"folder_id": None}, {"folder_id": None}),
    "delete_list": ("lead_lists", (LIST,), {}, None),
    "list_leads_in_list": ("lead_lists", (LIST,), {}, ""),
    "add_leads_to_list": (
        "lead_lists",
        (LIST,),
        {"lead_ids": ["a"], "idempotency_key": "k"},
        {"lead_ids": ["a"], "idempotency_key": "k"},
    ),
    "remove_leads_from_list": ("lead_lists", (LIST,), {"lead_ids": ("a", "b")}, {"lead_ids": ["a", "b"]}),
    "csv_import": (
        "lead_lists",
        (LIST,),
        {"csv_content_base64": "eA==", "column_mapping": {"email": "E"}, "idempotency_key": "k"},
        {
            "csv_content_base64": "eA==",
            "column_mapping": {"email": "E"},
            "dispatch_enrichment": False,
            "idempotency_key": "k",
        },
    ),
    "enrich_person": (
        "enrichment",
        (LIST,),
        {"email": "e"},
        {"lead_list_id": LIST, "email": "e", "enrichment_type": "partial"},  # the price is never left open
    ),
    "enrich_company": ("enrichment", (), {"company_name": "c"}, {"company_name": "c"}),
    "enrich_by_task": (
        "enrichment",
        ("t",),
        {"data_points": ["Email"], **Q},
        {"task_id": "t", "data_points": ["Email"], **Q},
    ),
    "enrich_list": ("enrichment", (LIST,), Q, {"list_id": LIST, "scope": "partial", **Q}),
    "enrichment_status": ("enrichment", (LIST,), {}, None),
    "list_smart_agents": ("smart_agents", (), {}, ""),
    "run_smart_agent": (
        "smart_agents",
        (LIST,),
        {"column_name": "c", "prompt": "p", **Q},
        {
            "list_id": LIST,
            "agent_type": "custom_ai",
            "prompt": "p",
            "column_name": "c",
            "lead_scope": "subset",
            "overwrite": False,
            **Q,
        },
    ),
    "get_smart_agent_results": ("smart_agents", (LIST,), {}, None),
    "export_csv": ("export", (LIST,), {}, {"list_id": LIST, "include_smart_agents": True}),
    "export_json": ("export", (LIST,), {}, "list_id=8c2f%2F1"),
}
"""Group, arguments, and what they should become: a JSON body, a query, or neither."""

MOST = {
    "credits_estimate": (
        "workspace",
        ("sync_to_crm",),
        {
            "list_id": LIST,
            "filters": {"a": [1]},
            "row_count": 0,
            "scope": "full",
            "agent_type": "custom_ai",
            "include_phone": False,
            "provider": "hubspot",
            "sub_action": "contacts+companies",
            "enrichment_type": "phone-only",
            "task_id": "t",
            "data_points": {"Email"},
            "entity_ids": ("1",),
            "extra": {"b": None},
        },
        {
            "tool": "sync_to_crm",
            "list_id": LIST,
            "filters": {"a": [1]},
            "row_count": 0,
            "scope": "full",
            "agent_type": "custom_ai",
            "include_phone": False,
            "provider": "hubspot",
            "sub_action": "contacts+companies",
            "enrichment_type": "phone_only",
            "task_id": "t",
            "data_points": ["Email"],
            "entity_ids": ["1"],
            "extra": {"b": None},
        },
    ),
    "usage_report": ("workspace", (), {"days": 365, "group_by": "key"}, "days=365&group_by=key"),
    "list_lists": (
        "lead_lists",
        (),
        {"folder_id": "f&g", "limit": 100, "cursor": "ü="},
        "folder_id=f%26g&limit=100&cursor=%C3%BC%3D",
    ),
    "list_leads_in_list": ("lead_lists", (LIST,), {"limit": 500, "cursor": "500"}, "limit=500&cursor=500"),
    "update_list": (
        "lead_lists",
        (LIST,),
        {"name": "N", "description": None, "folder_id": "f"},
        {"name": "N", "description": None, "folder_id": "f"},
    ),
    "list_smart_agents": ("smart_agents", (), {"list_id": "l", "limit": 100}, "list_id=l&limit=100"),
    "export_json": (
        "export",
        (LIST,),
        {"limit": 500, "cursor": "5", "columns": ("a", "b")},
        "list_id=8c2f%2F1&limit=500&cursor=5&columns=a&columns=b",
    ),
}
CASES = [(name, *case) for table in (LEAST, MOST) for name, case in table.items()]


@each_case("version", ["v2", "v1"])
@each_case(("name", "group", "arguments", "options", "expected"), CASES)
async def test_a_request_is_as_specified(version, name, group, arguments, options, expected):
    specified = SPECIFIED[name]
    ids = {"list_id": LIST, "workflow_id": LIST, "smart_agent_task_id": LIST}
    server = Served(lambda request, number: respond(sample(specified["response_model"]) | ids))
    async with virtual_client(server, api_version=version, api_key=KEY) as client:
        await getattr(getattr(client, group), name)(*arguments, **options)
    (request,) = server.requests
    path, _, query = request.target.partition("?")
    own_path = specified["path"].replace("{list_id}", ENCODED).replace("{workflow_id}", ENCODED)
    own_path = own_path.replace("{smart_agent_task_id}", ENCODED).removeprefix("/api/v2")
    assert request.method == specified["method"]
    assert path == {"v2": "/api/v2", "v1": "/api/v1/public"}[version] + own_path
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert query == (expected if isinstance(expected, str) else "")
    if isinstance(expected, dict):
        assert json.loads(request.body) == expected
        assert request.headers["content-type"] == "application/json"
    else:
        assert not request.body


def test_every_operation_is_here():
    assert set(LEAST) == set(SPECIFIED)


@each_case("name", LEAST)
def test_no_key_is_unknown_to_the_specification(name):
    model = SPECIFIED[name]["request_model"]
    expected = [case[3] for table in (LEAST, MOST) for n, case in table.items() if n == name]
    bodies = [body for body in expected if isinstance(body, dict)]
    assert bool(bodies) == (model is not None)
    for body in bodies:
        names = MODELS[model].get("one_of", [model])
        assert any(set(body) <= set(MODELS[one]["fields"]) for one in names)
