import asyncio
import json
import math
import time
import tomllib
from email.utils import formatdate
from functools import partial

import anyio
import pytest

from cleanlist_async import facts
from cleanlist_async.cli.terminal import shared_limits
from cleanlist_async.sandbox import Fault
from tests.cli.command_line import KEY, ROOT
from tests.support.clients import json_answer
from tests.support.tls_server import HOST, needs_openssl, over_tls, tunnel_to

EVERYTHING = {
    "python",
    "extras",
    "network",
    "key",
    "shared limits",
    "store",
    "connection",
    "key good",
    "plan",
    "scopes",
    "credits",
    "status",
    "clock",
    "limits",
    "api_version",
    "answers",
}
ME = {"user_email": None, "organization_id": "org_sandbox", "auth_type": "api_key", "tier": "pro"}


def examined(cli, *args, code):
    answer = cli.json("doctor", *args, code=code)
    assert answer["ok"] == (code == 0)
    checks = {check["name"]: check for check in answer["checks"]}
    for check in checks.values():
        assert check["status"] != "problem" or check["fix"]
    return checks


def problems(checks):
    return {name for name, check in checks.items() if check["status"] == "problem"}


def whoami(**more):
    return Fault("/api/v2/whoami", body=ME | {"scopes": ["lists:read"], "features": []} | more)


def test_what_the_api_has_added_is_named(cli, serve):
    with serve(faults=[whoami(region="eu")]):
        checks = examined(cli, code=0)
    assert checks["answers"]["status"] == "unknown"
    assert checks["answers"]["data"] == {"unknown": ["Whoami.region"]}


def test_all_checks_pass_at_a_good_set_up(cli, serve):
    with serve(credits=1234.5) as sandbox:
        checks = examined(cli, code=0)
        assert len(sandbox.ledger.requests) == 5
        assert sandbox.ledger.credits_charged == 0
        table = cli("doctor")
    assert checks.keys() == EVERYTHING
    assert {check["status"] for check in checks.values()} == {"ok"}
    assert checks["credits"]["data"] == {"credits": 1234.5}
    assert "1,234 e-mails, 123 phones or 112 full" in checks["credits"]["detail"]
    assert checks["plan"]["data"]["tier"] == "pro"
    assert checks["limits"]["data"] == {
        "limits": [30, 60],
        "available": [25, 55],
        "rejected_429": 0,
        "headers": [],
    }
    assert "enrichment.enrich_person" in checks["scopes"]["data"]["operations"]
    assert [line.split()[0] for line in table.out.splitlines()] == ["ok"] * len(EVERYTHING)
    assert "All checks passed." in table.err


@pytest.mark.parametrize("answer", [{"status": 503}, {"status": 200, "body": "<html>"}])
def test_a_server_whose_status_requests_fail(cli, serve, answer):
    with serve(faults=[Fault("/enrich/status", **answer)]):
        checks = examined(cli, code=1)
    assert checks["status"]["status"] == "problem"
    assert "stays pending" in checks["status"]["fix"]


def test_a_bad_key(cli, serve):
    with serve() as sandbox:
        sandbox.revoke(KEY)
        checks = examined(cli, code=1)
        assert len(sandbox.ledger.requests) == 1
        done = cli("doctor")
    assert problems(checks) == {"key good"}
    assert "portal" in checks["key good"]["fix"]
    assert checks["connection"]["status"] == "ok"
    assert {checks[name]["status"] for name in ("plan", "scopes", "credits", "clock")} == {"unknown"}
    assert done.code == 1
    assert "1 of 16 checks failed." in done.err


@pytest.mark.parametrize(
    ("key", "says"),
    [("", "no API key"), (f"{KEY}\n", "newline"), ("clext_0123456789", "browser extension")],
)
def test_a_key_that_cannot_be_one(cli, serve, key, says):
    with serve():
        cli.env["CLEANLIST_API_KEY"] = key
        checks = examined(cli, code=1)
    assert "key" in problems(checks)
    assert says in checks["key"]["detail"] + checks["key"]["fix"]
    assert checks["connection"]["status"] == "ok"


def test_one_of_several_keys_is_bad(cli, serve):
    with serve():
        cli.env["CLEANLIST_API_KEY"] = f"{KEY},clapi_of_somebody_else"
        done = cli("doctor")
    assert done.code == 1
    assert "problem  other keys" in done.out
    assert "somebody" not in done.out + done.err


def test_a_plan_without_the_api(cli, serve):
    with serve(no_api_keys=["clapi_starter_plan"]):
        cli.env["CLEANLIST_API_KEY"] = "clapi_starter_plan"
        checks = examined(cli, code=1)
    assert "key good" in problems(checks)
    assert "plans" in checks["key good"]["fix"]


def test_a_key_without_scopes_is_a_problem(cli, serve):
    with serve(scopes={KEY: []}):
        checks = examined(cli, code=1)
    assert problems(checks) == {"scopes"}
    assert "administrator" in checks["scopes"]["fix"]
    assert len(checks["scopes"]["data"]["missing"]) == 12


def test_a_missing_scope_is_reported_with_its_operations(cli, serve):
    with serve(scopes={KEY: ["lists:read", "credits:read"]}):
        scopes = examined(cli, code=0)["scopes"]
    assert scopes["data"]["granted"] == ["lists:read", "credits:read"]
    assert "export:read (download_csv, export_csv, export_json)" in scopes["detail"]
    assert "smart_agents.run_smart_agent" in scopes["data"]["missing_operations"]
    assert "lead_lists.get_list" not in scopes["data"]["missing_operations"]


def test_scopes_of_other_names_are_not_judged(cli, serve):
    with serve(faults=[whoami(scopes=["enrichment:write"])]):
        scopes = examined(cli, code=0)["scopes"]
    assert scopes["status"] == "unknown"
    assert "enrichment:write" in scopes["detail"]


@pytest.mark.parametrize(("ahead_s", "code"), [(3600, 1), (-90, 1), (1, 0)])
def test_the_clock_against_the_time_in_an_answer(cli, serve, ahead_s, code):
    began = time.time()
    moment = int((began + 0.5 - ahead_s) * 1000)
    with serve(faults=[whoami(timestamp_ms=moment)]):
        clock = examined(cli, code=code)["clock"]
    took_s = time.time() - began  # the process takes its time to start
    assert -1 < clock["data"]["ahead_s"] - ahead_s < took_s + 1
    assert ("behind" if ahead_s < 0 else "ahead of") in clock["detail"]


@pytest.mark.parametrize(("ahead_s", "code"), [(120, 1), (0, 0)])
def test_the_clock_against_the_date_of_an_answer(cli, serve, ahead_s, code):
    began = time.time()
    date = formatdate(began - ahead_s, usegmt=True)
    balance = Fault("/credits/balance", when="after", headers=[("Date", date)])
    with serve(faults=[balance, whoami()]):
        clock = examined(cli, code=code)["clock"]
    assert -1 < clock["data"]["ahead_s"] - ahead_s < time.time() - began + 2


def test_a_server_that_is_dead(cli, serve):
    with serve() as sandbox:
        sandbox.halt()
        checks = examined(cli, code=1)
    assert problems(checks) == {"connection"}
    assert "network" in checks["connection"]["fix"]


NOWHERE = "postgresql://ada:geheim@127.0.0.1:1/cleanlist"


def test_limits_that_cannot_be_reached_are_named_and_nothing_waits_for_them(cli, serve):
    with serve() as sandbox:
        cli.env["CLEANLIST_LIMITS"] = NOWHERE
        answer = cli.json("doctor", code=1)
        assert not sandbox.ledger.requests
    checks = {check["name"]: check for check in answer["checks"]}
    assert problems(checks) == {"shared limits"}
    assert "cannot be reached" in checks["shared limits"]["detail"]
    assert "CLEANLIST_LIMITS" in checks["shared limits"]["fix"]
    assert "geheim" not in str(answer)


def test_a_store_that_cannot_be_reached_is_a_problem(cli, serve, monkeypatch):
    monkeypatch.setattr(facts, "STORE_ANSWER_S", 0.5)
    with serve():
        cli.env["CLEANLIST_STORE"] = NOWHERE
        checks = examined(cli, code=1)
    assert problems(checks) == {"store"}
    assert "127.0.0.1" in checks["store"]["detail"]


def test_a_store_says_what_it_holds(cli, serve, people):
    cli.write(people(3))
    with serve():
        assert "none yet" in examined(cli, code=0)["store"]["detail"]
        assert cli("enrich", "in.csv", "-o", "out.csv", "-y").code == 0
        assert "with 3 results" in examined(cli, code=0)["store"]["detail"]


def test_machines_that_share_the_store_and_not_the_limits_are_warned(cli, serve, people, postgres):
    shared_limits.warn_of_own_limits.cache_clear()
    cli.write(people(3))
    with postgres.schema() as url, serve():
        cli.env["CLEANLIST_STORE"] = url
        check = examined(cli, code=0)["store"]
        assert check["status"] == "unknown"
        assert "use the whole rate" in check["detail"]
        warned = cli("job", "run", "crm", "in.csv", "-y")
        assert warned.code == 0
        assert warned.err.count("use the whole rate") == 1
        cli.env["CLEANLIST_LIMITS"] = url
        assert examined(cli, code=0)["store"]["status"] == "ok"
        assert "answers" in examined(cli, code=0)["shared limits"]["detail"]


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>It works!</html>", "headers": [("content-type", "text/html")]},
        {"status": 404, "body": {"detail": "Not Found"}},
        {"status": 404, "body": "<h1>Nothing here</h1>"},
    ],
)
def test_the_wrong_host(cli, serve, answer):
    with serve(faults=[Fault(times=math.inf, **answer)]):
        connection = examined(cli, code=1)["connection"]
    assert connection["status"] == "problem"
    assert "not as Cleanlist" in connection["detail"]
    assert "https://api.cleanlist.ai" in connection["fix"]


def test_an_address_that_would_show_the_key(cli):
    cli.env["CLEANLIST_API_KEY"] = KEY
    checks = examined(cli, "--base-url", "http://cleanlist.example", code=1)
    assert problems(checks) == {"connection"}
    assert "https" in checks["connection"]["detail"]


def test_other_traffic_draws_429s(cli, serve):
    with serve(faults=[Fault("/credits/balance", status=429)]):
        limits = examined(cli, code=1)["limits"]
    assert limits["status"] == "problem"
    assert limits["data"]["rejected_429"] == 1
    assert "Wait 2 s." in limits["fix"]


def test_headers_that_name_a_limit_are_reported(cli, serve):
    headers = [("X-RateLimit-Limit", "30")]
    with serve(faults=[Fault("/credits/balance", when="after", headers=headers)]):
        assert examined(cli, code=0)["limits"]["data"]["headers"] == ["x-ratelimit-limit"]


@pytest.mark.parametrize(("version", "other"), [("v2", "v1"), ("v1", "v2")])
def test_one_version_is_gone(cli, serve, version, other):
    path = {"v2": "/api/v2/whoami", "v1": "/api/v1/public/whoami"}[version]
    with serve(faults=[Fault(path, status=410)]):
        versions = examined(cli, code=1)["api_version"]
    assert versions["data"]["answering"] == [other]
    assert f'api_version="{other}"' in versions["fix"]


@pytest.mark.smoke
def test_a_balance_of_zero_is_a_problem(cli, serve):
    with serve(credits=0.5):
        checks = examined(cli, code=1)
    assert problems(checks) == {"credits"}
    assert "Top up" in checks["credits"]["fix"]


def test_hostile_text_of_the_server_stays_on_its_line(cli, serve):
    name = f"Evil\x1b[2J\nok  fake\u2028 Bearer {KEY}"
    with serve(faults=[whoami(organization_name=name, tier="[red]pro")]):
        out = cli("doctor").out
    assert "\x1b" not in out
    assert len(out.splitlines()) == len(EVERYTHING)
    assert "[red]pro" in out


def test_a_server_without_tls_where_it_should_have_it(cli, serve):
    with serve() as sandbox:
        checks = examined(cli, "--base-url", sandbox.base_url.replace("http:", "https:"), code=1)
    assert problems(checks) == {"connection"}
    assert "TLS" in str(checks["connection"])


def test_a_session_token_has_the_limit_of_the_organization(cli, serve):
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJkb2N0b3IifQ.c2lnbmF0dXJl"
    with serve(jwts=[token]):
        cli.env["CLEANLIST_API_KEY"] = token
        checks = examined(cli, code=0)
    assert checks["key"]["data"]["forms"] == ["JWT"]
    assert checks["limits"]["data"]["limits"] == [60]


# -- the way to the server -------------------------------------------------------------------------


@needs_openssl
def test_a_certificate_that_is_not_trusted_is_explained_and_one_that_is_named_is_trusted(cli, tmp_path):
    async def main():
        answer = json_answer({"valid": True, "organization_id": "org"}).raw
        async with over_tls(tmp_path, lambda target, connection: [answer]) as (port, certificate):
            cli.env |= {"CLEANLIST_API_KEY": KEY, "CLEANLIST_BASE_URL": f"https://localhost:{port}"}
            run = partial(anyio.to_thread.run_sync, partial(cli.json, "doctor", code=1))
            untrusted = await run()
            cli.env["SSL_CERT_FILE"] = str(certificate)
            return untrusted, await run(), certificate

    untrusted, trusted, certificate = asyncio.run(main())
    found = [{check["name"]: check for check in answer["checks"]} for answer in (untrusted, trusted)]
    assert "certificate of localhost" in found[0]["connection"]["detail"]
    assert "SSL_CERT_FILE" in found[0]["connection"]["fix"]
    assert found[1]["connection"]["status"] == "ok"
    assert found[1]["network"]["data"] == {"proxy": None, "certificates": str(certificate)}


def test_the_proxy_is_named_without_its_password(cli):
    cli.env |= {"CLEANLIST_API_KEY": KEY, "CLEANLIST_BASE_URL": "https://api.invalid"}
    cli.env["HTTPS_PROXY"] = "http://user:hunter2@127.0.0.1:9"
    answer = cli("doctor", "--json")
    assert "hunter2" not in answer.out + answer.err
    checks = {check["name"]: check for check in json.loads(answer.out)["checks"]}
    assert checks["network"]["data"]["proxy"] == "http://127.0.0.1:9"
    assert "through the proxy http://127.0.0.1:9" in checks["connection"]["detail"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("SSL_CERT_FILE", "/nowhere.pem"), ("HTTPS_PROXY", "nonsense://x"), ("SSL_CERT_DIR", "/no")],
)
def test_a_variable_of_the_network_that_cannot_work_is_a_problem(cli, name, value):
    cli.env |= {"CLEANLIST_API_KEY": KEY, "CLEANLIST_BASE_URL": "https://api.invalid", name: value}
    checks = {check["name"]: check for check in cli.json("doctor", code=1)["checks"]}
    assert checks["network"]["status"] == "problem"
    assert name in checks["network"]["detail"]
    assert checks["network"]["fix"]


@needs_openssl
def test_proxy_and_certificates_are_options_of_every_command(cli, tmp_path):
    async def main():
        answer = json_answer({"credits": 7}).raw
        async with (
            over_tls(tmp_path, lambda target, connection: [answer], HOST) as (port, certificate),
            tunnel_to(port) as (proxy, heads),
        ):
            cli.env |= {"CLEANLIST_API_KEY": KEY, "CLEANLIST_BASE_URL": f"https://{HOST}:{port}"}
            run = partial(cli.apart, "credits", "--proxy", proxy, "--ca-bundle", str(certificate))
            return await anyio.to_thread.run_sync(run), heads

    done, heads = asyncio.run(main())
    assert (done.code, done.out.strip()) == (0, "7"), done.err
    assert len(heads) == 1


def test_the_extras_are_those_of_the_package_and_each_is_installed_or_not(cli, serve):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = set(project["optional-dependencies"])
    with serve():
        extras = examined(cli, code=0)["extras"]
    told = {*extras["data"]["installed"], *extras["data"]["missing"]}
    assert told == declared - {"dev", "docs", "bench", "official"}
    assert {"cli", "sandbox"} <= set(extras["data"]["installed"])


def test_what_is_advised_is_said_in_words_of_the_command_line(cli):
    cli.env |= {"CLEANLIST_BASE_URL": "http://127.0.0.1:9"}
    done = cli("doctor")
    assert done.code == 1
    assert "--base-url (CLEANLIST_BASE_URL)" in done.out
    assert "api_key=" not in done.out
