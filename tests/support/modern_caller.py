"""A plain HTTP client of the modern surface; it knows nothing of the package under test."""

import base64

import httpx

MAPPING = {
    "first_name": "First",
    "last_name": "Last",
    "email": "Email",
    "linkedin_url": "Profile",
    "company_domain": "Domain",
    "job_title": "Title",
}
HEADER = "First,Last,Email,Profile,Domain,Title"


def table(count, header=HEADER):
    """A CSV file of so many people, all different."""
    rows = [f"Ada{i},Lovelace,,,analytical.example,Programmer" for i in range(count)]
    return "\n".join([header, *rows])


def encoded(text):
    content = text if isinstance(text, bytes) else text.encode()
    return base64.b64encode(content).decode()


class ModernCaller(httpx.AsyncClient):
    """The sandbox's first key under one of the two prefixes."""

    def __init__(self, sandbox, key=None, prefix="/api/v2"):
        headers = {"Authorization": f"Bearer {key or sandbox.api_key}"}
        base_url = sandbox.base_url + prefix
        super().__init__(base_url=base_url, headers=headers, trust_env=False, verify=False)

    async def made(self, name="Leads", people=0):
        """Make a list of so many people; returns its id."""
        list_id = (await self.post("/lead-lists", json={"name": name})).json()["list_id"]
        if people:
            answer = await self.take_in(list_id, table(people))
            assert answer.json()["rows_imported"] == people
        return list_id

    async def take_in(self, list_id, text, **more):
        body = {"csv_content_base64": encoded(text), "column_mapping": MAPPING, "dispatch_enrichment": False}
        return await self.post(f"/lead-lists/{list_id}/csv-import", json=body | more)

    async def quoted(self, tool, **asked):
        return (await self.post("/credits/estimate", json={"tool": tool, **asked})).json()["quote_id"]

    async def leads(self, list_id, **query):
        return (await self.get(f"/lead-lists/{list_id}/leads", params=query)).json()["leads"]

    async def with_body(self, method, path, body):
        return await self.request(method, path, json=body)


def code(answer):
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


def locations(answer):
    """Where a validation failed."""
    assert answer.status_code == 422
    return [tuple(item["loc"]) for item in answer.json()["detail"]]
