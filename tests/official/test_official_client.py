"""Cleanlist's own client, ``cleanlist-ai`` 2.0.0, judges the sandbox: it calls all 24 operations."""

import base64
import importlib
import json

import anyio.to_thread
import pytest

from cleanlist_async.sandbox import Sandbox

pytest.importorskip("cleanlist_ai", reason="needs the extra: pip install 'cleanlist-async[official]'")

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

ANSWERS = {
    "whoami": (200, "WhoamiResponse"),
    "credits_balance": (200, "CreditsBalanceResponse"),
    "credits_estimate": (200, "EstimateCostResponse"),
    "list_api_keys": (200, "ApiKeysResponse"),
    "usage_report": (200, "UsageReportResponse"),
    "create_list": (201, "ListDetailResponse"),
    "list_lists": (200, "ListsPageResponse"),
    "get_list": (200, "ListDetailResponse"),
    "update_list": (200, "ListDetailResponse"),
    "delete_list": (200, "DeleteListResponse"),
    "list_leads_in_list": (200, "LeadsPageResponse"),
    "add_leads_to_list": (200, "AddLeadsResponse"),
    "remove_leads_from_list": (200, "RemoveLeadsResponse"),
    "csv_import": (201, "CsvImportResponse"),
    "enrich_person": (200, "EnrichPersonResponse"),
    "enrich_company": (200, "EnrichCompanyResponse"),
    "enrich_by_task": (200, "EnrichByTaskResponse"),
    "enrich_list": (200, "EnrichListResponse"),
    "enrichment_status": (200, "WorkflowStatusResponse"),
    "run_smart_agent": (200, "RunSmartAgentResponse"),
    "list_smart_agents": (200, "ListSmartAgentsResponse"),
    "get_smart_agent_results": (200, "SmartAgentResultsResponse"),
    "export_csv": (200, "ExportCsvResponse"),
    "export_json": (200, "ExportJsonResponse"),
}
"""Status and model of each operation's success, as the specification declares them."""

FILE = "First,Last,Domain\nAda,Lovelace,analytical.example\nGrace,Hopper,navy.example\n"
COLUMNS = {"first_name": "First", "last_name": "Last", "company_domain": "Domain"}


class AnyValue(str):
    """Stands for a class that 2.0.0 uses but does not define, where the specification allows any JSON."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, value):
        return cls(value)

    def to_dict(self):
        return str(self)


@pytest.fixture(params=["cleanlist_ai", "cleanlist_ai.aio"])
def untouched(request):
    """The synchronous and the asynchronous client, which share no code."""
    return importlib.import_module(request.param)


@pytest.fixture
def package(untouched, monkeypatch):
    """The client with the one class that it lacks."""
    module = importlib.import_module(f"{untouched.__name__}.models.smart_agent_result_row")
    monkeypatch.setattr(module, "AnyOf", AnyValue, raising=False)
    return untouched


class Judge:
    """Calls the official client and compares what it understood with what was sent."""

    def __init__(self, package, sandbox):
        self.models = package.models
        self.is_async = package.__name__.endswith(".aio")
        self.client = package.Cleanlist(access_token=sandbox.api_key, host=sandbox.base_url)
        self.called = set()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        if self.is_async:
            await self.client.close()

    async def call(self, group, operation, *args, **options):
        method = getattr(getattr(self.client, group), f"{operation}_with_http_info")
        if self.is_async:
            answer = await method(*args, **options)
        else:
            answer = await anyio.to_thread.run_sync(lambda: method(*args, **options))
        status, model = ANSWERS[operation]
        assert (answer.status_code, type(answer.data).__name__) == (status, model)
        sent = json.loads(answer.raw_data)
        assert set(sent) <= set(type(answer.data).model_fields)
        assert without_nulls(answer.data.to_dict()) == without_nulls(sent)
        self.called.add(operation)
        return answer.data

    async def estimate(self, tool, **asked):
        request = self.models.EstimateCostRequest(tool=tool, **asked)
        return (await self.call("workspace", "credits_estimate", request)).quote_id


def without_nulls(document):
    """Drop nulls, and empty lists and maps, which the client takes for absent fields' defaults."""
    if isinstance(document, dict):
        kept = {name: without_nulls(value) for name, value in document.items()}
        return {name: value for name, value in kept.items() if value not in (None, [], {})}
    return [without_nulls(value) for value in document] if isinstance(document, list) else document


async def workspace(judge):
    me = await judge.call("workspace", "whoami")
    assert (me.auth_type, me.tier, "enrich:write" in me.scopes) == ("api_key", "pro", True)
    assert (await judge.call("workspace", "credits_balance")).credits == 1_000_000
    (key,) = (await judge.call("workspace", "list_api_keys")).keys
    assert (key.key_prefix, key.key_last4, key.is_active) == ("clapi_", "cdef", True)
    for group_by in ("tool", "key", "day", "error"):
        report = await judge.call("workspace", "usage_report", days=30, group_by=group_by)
        assert report.total_calls == sum(row.calls for row in report.rows) > 0


async def lead_lists(judge):
    models = judge.models
    request = models.CreateListRequest(name="Q3 outbound", description="first")
    list_id = (await judge.call("lead_lists", "create_list", request)).list_id
    update = models.PublicLeadListUpdate(description="second")
    assert (await judge.call("lead_lists", "update_list", list_id, update)).description == "second"
    assert list_id in [one.list_id for one in (await judge.call("lead_lists", "list_lists", limit=10)).lists]
    content = base64.b64encode(FILE.encode()).decode()
    taken_in = await judge.call(
        "lead_lists",
        "csv_import",
        list_id,
        models.CsvImportRequest(
            csv_content_base64=content,
            column_mapping=COLUMNS,
            dispatch_enrichment=True,
            enrichment_type="full",
        ),
    )
    assert (taken_in.rows_imported, bool(taken_in.workflow_id)) == (2, True)
    page = await judge.call("lead_lists", "list_leads_in_list", list_id, limit=500)
    ada, _ = [lead.lead_id for lead in page.leads]
    remove = models.RemoveLeadsRequest(lead_ids=[ada])
    assert (await judge.call("lead_lists", "remove_leads_from_list", list_id, remove)).removed == 1
    for body in (models.AddByLeadIds(lead_ids=[ada]), models.AddByCohort(task_id=page.task_id)):
        await judge.call("lead_lists", "add_leads_to_list", list_id, models.Body(body))
    assert (await judge.call("lead_lists", "get_list", list_id)).lead_count == 2
    return list_id, page.task_id


async def enrichment(judge, list_id, task_id):
    models = judge.models
    person = models.EnrichPersonRequest(lead_list_id=list_id, email="ada@analytical.example")
    single = await judge.call("enrichment", "enrich_person", person)
    status = await judge.call("enrichment", "enrichment_status", single.workflow_id)
    assert (status.status, status.result.status, status.credits_charged) == ("completed", "completed", 1)
    company = models.EnrichCompanyRequest(domain="stripe.com")
    assert (await judge.call("enrichment", "enrich_company", company)).company.domain == "stripe.com"
    quote_id = await judge.estimate("enrich_list", list_id=list_id, scope="phone-only")
    request = models.EnrichListRequest(list_id=list_id, scope="phone-only", quote_id=quote_id)
    assert (await judge.call("enrichment", "enrich_list", request)).total_leads == 3
    cohort = {"task_id": task_id, "data_points": ["Email", "Phone"]}
    quote_id = await judge.estimate("add_person_enrichments", **cohort)
    request = models.EnrichByTaskRequest(**cohort, quote_id=quote_id)
    by_task = await judge.call("enrichment", "enrich_by_task", request)
    assert [row.status for row in by_task.results] == ["queued", "queued"]
    status = await judge.call("enrichment", "enrichment_status", task_id)
    assert (status.status, status.total, status.credits_charged, status.result) == ("completed", 2, 22, None)


async def smart_agents(judge, list_id):
    models = judge.models
    quote_id = await judge.estimate("run_smart_agent", list_id=list_id, agent_type="custom_ai", row_count=3)
    request = models.RunSmartAgentRequest(
        list_id=list_id, column_name="Angle", prompt="Suggest an angle.", max_rows=3, quote_id=quote_id
    )
    run = await judge.call("smart_agents", "run_smart_agent", request)
    task_id = run.smart_agent_task_id
    runs = (await judge.call("smart_agents", "list_smart_agents", list_id=list_id)).runs
    assert [one.task_id for one in runs] == [task_id]
    results = await judge.call("smart_agents", "get_smart_agent_results", task_id)
    assert (results.status, results.succeeded + results.failed, len(results.results)) == ("completed", 3, 3)


async def export(judge, list_id):
    signed = await judge.call("export", "export_csv", judge.models.ExportCsvRequest(list_id=list_id))
    assert signed.row_count == 3
    rows = await judge.call("export", "export_json", list_id, limit=500, columns=["lead_id", "email"])
    assert [sorted(row) for row in rows.leads] == [["email", "lead_id"]] * 3


async def test_all_24_operations_are_parsed(package):
    async with (
        Sandbox(workflow_s=0.0, hit_rate=1.0, limiter="off") as sandbox,
        Judge(package, sandbox) as judge,
    ):
        await workspace(judge)
        list_id, task_id = await lead_lists(judge)
        await enrichment(judge, list_id, task_id)
        await smart_agents(judge, list_id)
        await export(judge, list_id)
        assert (await judge.call("lead_lists", "delete_list", list_id)).deleted is True
        assert judge.called == set(ANSWERS)
        assert sandbox.ledger.status_counts().keys() == {200, 201}


async def test_running_and_failed_workflows_are_parsed(package):
    async with (
        Sandbox(workflow_s=60.0, limiter="off") as running,
        Sandbox(workflow_s=0.0, hit_rate=0.0, limiter="off") as empty,
    ):
        for sandbox, expected in ((running, "pending"), (empty, "completed")):
            async with Judge(package, sandbox) as judge:
                request = judge.models.CreateListRequest(name="x")
                list_id = (await judge.call("lead_lists", "create_list", request)).list_id
                person = judge.models.EnrichPersonRequest(lead_list_id=list_id, email="a@b.example")
                run = await judge.call("enrichment", "enrich_person", person)
                status = await judge.call("enrichment", "enrichment_status", run.workflow_id)
                assert status.status == expected


async def test_refusals_reach_its_exceptions(package):
    exceptions = importlib.import_module(f"{package.__name__}.exceptions")
    async with Sandbox(limiter="off") as sandbox, Judge(package, sandbox) as judge:
        with pytest.raises(exceptions.NotFoundException) as missing:
            await judge.call("lead_lists", "get_list", "nowhere")
        assert json.loads(missing.value.body)["error"]["code"] == "list_not_found"
        with pytest.raises(exceptions.ApiException) as unfit:
            await judge.call("enrichment", "enrich_company", judge.models.EnrichCompanyRequest())
        assert (unfit.value.status, unfit.value.data.detail[0].type) == (422, "value_error")


async def test_untouched_it_cannot_read_what_an_agent_wrote(untouched):
    row = untouched.models.SmartAgentResultRow
    assert row.from_dict({"lead_id": "x", "value": None}).value is None
    with pytest.raises(NameError, match="AnyOf"):
        row.from_dict({"lead_id": "x", "value": "An angle."})
