"""How a client reaches its server: whose certificates it trusts, and through which proxy it goes."""

import json
import os
import ssl
import subprocess
from contextlib import asynccontextmanager

import httpx
import pytest

from cleanlist_async import APIConnectionError, ConfigurationError
from cleanlist_async.http.transport import ConnectionOptions, proxy_name
from tests.support.cases import each_case
from tests.support.clients import (
    ACCEPTED,
    ADA,
    KEY,
    always,
    client_of,
    json_answer,
    outcome_of,
)
from tests.support.faulty_server import FaultyServer, answer
from tests.support.tcp_server import tcp_server
from tests.support.tls_server import HOST, needs_openssl, over_tls, tunnel_to

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No variable of the machine that runs the tests; returns the function that sets one."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch.setenv


def accepts(target, connection):
    return [json_answer(ACCEPTED if "bulk" in target else {"credits": 4}).raw]


# -- certificates ------------------------------------------------------------------------------------


def folder_of(certificate):
    """A folder of certificates as OpenSSL reads it: by the hash of each name."""
    folder = certificate.with_name("certificates")
    folder.mkdir()
    digest = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", certificate], check=True, capture_output=True, text=True
    ).stdout.strip()
    (folder / f"{digest}.0").write_bytes(certificate.read_bytes())
    return folder


WAYS_TO_TRUST = {
    "a file": lambda certificate, setenv: {"verify": str(certificate)},
    "a path": lambda certificate, setenv: {"verify": certificate},
    "a folder": lambda certificate, setenv: {"verify": folder_of(certificate)},
    "a context": lambda certificate, setenv: {"verify": ssl.create_default_context(cafile=certificate)},
    "SSL_CERT_FILE": lambda certificate, setenv: setenv("SSL_CERT_FILE", str(certificate)) or {},
    "SSL_CERT_DIR": lambda certificate, setenv: setenv("SSL_CERT_DIR", str(folder_of(certificate))) or {},
}


@needs_openssl
@pytest.mark.parametrize("way", WAYS_TO_TRUST)
async def test_a_private_authority_is_trusted_once_it_is_named(way, tmp_path, environment):
    async with over_tls(tmp_path, accepts) as (port, certificate):
        options = WAYS_TO_TRUST[way](certificate, environment)
        async with client_of(f"https://localhost:{port}", max_retries=0, **options) as client:
            read, submitted = await client.public.credits_balance(), await client.public.submit_bulk([ADA])

    assert read.credits == 4
    assert submitted.workflow_id == "wf_1"


@needs_openssl
@pytest.mark.parametrize("ignored", [False, True], ids=["unnamed", "ignored"])
async def test_a_certificate_that_is_not_trusted_is_named_with_its_host_and_not_tried_again(
    ignored, tmp_path, environment
):
    async with over_tls(tmp_path, accepts) as (port, certificate):
        if ignored:
            environment("SSL_CERT_FILE", str(certificate))
        base_url = f"https://localhost:{port}"
        async with client_of(base_url, max_retries=4, trust_env=not ignored) as client:
            outcomes = [
                await outcome_of(client.public.credits_balance()),
                await outcome_of(client.public.submit_bulk([ADA])),
            ]
            requests = client.statistics().requests

    assert requests == 2
    for error in outcomes:
        assert type(error) is APIConnectionError
        assert (error.retryable, error.billed) == (False, "no")
        assert "certificate of localhost" in str(error)
        assert "SSL_CERT_FILE" in error.fix


@needs_openssl
async def test_the_name_of_another_host_in_a_certificate_is_told(tmp_path):
    async with (
        over_tls(tmp_path, accepts, HOST) as (port, certificate),
        client_of(f"https://localhost:{port}", verify=certificate) as client,
    ):
        error = await outcome_of(client.public.credits_balance())

    assert "certificate of localhost" in str(error)
    assert "ismatch" in str(error)


@each_case(
    ("verify", "says"),
    [
        (False, "verify=False"),
        ("x" * 5_000, "verify names no file"),
        ("/nowhere/ca.pem", "no file of certificates"),
        (os.devnull, "certificate"),
        (5, "must be"),
        (None, "must be"),
        ("", "."),
    ],
)
def test_certificates_that_cannot_be_read_are_refused_before_anything_is_sent(verify, says):
    with pytest.raises(ConfigurationError, match=says):
        client_of("https://api.cleanlist.ai", verify=verify)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_variable_that_names_no_certificates_is_named(name, environment):
    environment(name, "/nowhere")
    with pytest.raises(ConfigurationError, match=name):
        client_of("https://api.cleanlist.ai")
    client_of("https://api.cleanlist.ai", trust_env=False)


async def test_a_variable_whose_file_holds_no_certificate_is_named_by_the_first_call(tmp_path, environment):
    (tmp_path / "ca.pem").write_text("nothing")
    environment("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async with client_of("https://api.invalid") as client:
        error, statistics = await outcome_of(client.public.submit_bulk([ADA])), client.statistics()

    assert type(error) is ConfigurationError
    assert "SSL_CERT_FILE" in str(error)
    assert (error.billed, statistics.requests, statistics.retries) == ("no", 1, 0)


# -- proxies -----------------------------------------------------------------------------------------


@asynccontextmanager
async def behind_a_proxy(folder):
    """A server that only a proxy leads to: its address, the certificate to trust, the proxy and its heads."""
    async with over_tls(folder, accepts, HOST) as (port, certificate), tunnel_to(port) as (proxy, heads):
        yield f"https://{HOST}:{port}", certificate, proxy, heads


WAYS_TO_PROXY = {
    "given": lambda proxy, setenv: {"proxy": proxy},
    "HTTPS_PROXY": lambda proxy, setenv: setenv("HTTPS_PROXY", proxy) or {},
    "https_proxy": lambda proxy, setenv: setenv("https_proxy", proxy) or {},
    "ALL_PROXY": lambda proxy, setenv: setenv("ALL_PROXY", proxy) or {},
    "without a scheme": lambda proxy, setenv: setenv("HTTPS_PROXY", proxy.removeprefix("http://")) or {},
}


@needs_openssl
@pytest.mark.parametrize("way", WAYS_TO_PROXY)
async def test_everything_goes_through_the_proxy_and_the_proxy_sees_no_key(way, tmp_path, environment):
    async with behind_a_proxy(tmp_path) as (base_url, certificate, proxy, heads):
        options = WAYS_TO_PROXY[way](proxy, environment)
        async with client_of(base_url, verify=certificate, max_retries=0, **options) as client:
            await client.public.credits_balance()
            await client.public.submit_bulk([ADA])

    assert len(heads) == 2
    assert all(head.startswith(f"CONNECT {HOST}:".encode()) for head in heads)
    assert KEY.encode() not in b"".join(heads)


@needs_openssl
async def test_a_client_of_the_callers_brings_its_own_proxy_and_certificates_for_everything(tmp_path):
    async with behind_a_proxy(tmp_path) as (base_url, certificate, proxy, heads):
        trust = ssl.create_default_context(cafile=certificate)
        async with (
            httpx.AsyncClient(proxy=proxy, verify=trust) as http,
            client_of(base_url, http_client=http, max_retries=0) as client,
        ):
            await client.public.credits_balance()
            submitted, tunnels = await client.public.submit_bulk([ADA]), len(heads)

    assert submitted.workflow_id == "wf_1"
    assert tunnels == 1


async def is_proxy_asked(environment, base_url, **options):
    """Whether a call asks the proxy of the environment."""
    async with FaultyServer(always(answer(407))) as proxy:
        environment("HTTPS_PROXY", proxy.base_url)
        environment("HTTP_PROXY", proxy.base_url)
        async with client_of(base_url, max_retries=0, request_timeout_s=5, **options) as client:
            await outcome_of(client.public.credits_balance())
        return bool(proxy.requests)


@pytest.mark.parametrize("exempt", ["*", "api.invalid", "invalid", ".invalid", "x, api.invalid"])
async def test_no_proxy_is_asked_for_what_no_proxy_names(exempt, environment):
    environment("NO_PROXY", exempt)
    assert not await is_proxy_asked(environment, "https://api.invalid")


@pytest.mark.parametrize("exempt", ["", "other.invalid", "pi.invalid"])
async def test_the_proxy_is_asked_for_what_no_proxy_does_not_name(exempt, environment):
    environment("NO_PROXY", exempt)
    assert await is_proxy_asked(environment, "https://api.invalid")


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:9",
        "http://localhost:9",
        "https://127.0.0.1:9",
        "https://[::1]:9",
        "https://localhost:9",
    ],
)
async def test_no_proxy_of_the_environment_is_asked_for_this_machine(base_url, environment):
    assert not await is_proxy_asked(environment, base_url)


async def test_no_proxy_of_the_environment_is_asked_where_it_is_not_trusted(environment):
    assert not await is_proxy_asked(environment, "https://api.invalid", trust_env=False)


async def test_a_proxy_without_a_password_is_named_as_well(environment):
    async with FaultyServer(always(answer(403))) as server:
        proxy = server.base_url
        environment("HTTPS_PROXY", proxy)
        async with client_of("https://api.invalid", max_retries=0) as client:
            error = await outcome_of(client.public.credits_balance())

    assert f"api.invalid through the proxy {proxy}: " in str(error)


async def test_a_server_that_does_not_speak_tls_is_said_to():
    async def plain(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with tcp_server(plain) as port, client_of(f"https://127.0.0.1:{port}", max_retries=0) as client:
        error = await outcome_of(client.public.credits_balance())

    assert "what answers there does not speak TLS" in str(error)


async def test_a_proxy_that_refuses_is_named_with_the_host_and_without_its_password(environment):
    async with FaultyServer(always(answer(407))) as server:
        proxy = server.base_url
        environment("HTTPS_PROXY", proxy.replace("://", "://user:hunter2@"))
        async with client_of("https://api.invalid", max_retries=0) as client:
            error = await outcome_of(client.public.submit_bulk([ADA]))

    assert type(error) is APIConnectionError
    assert f"api.invalid through the proxy {proxy}" in str(error)
    assert "407" in str(error)
    assert "hunter2" not in str(error)
    assert error.billed == "no"


@each_case("proxy", ["ftp://x", "http://[", "socks5://u:hunter2@x:1"])
def test_a_proxy_of_the_environment_that_cannot_work_is_refused(proxy, environment):
    environment("HTTPS_PROXY", proxy)
    with pytest.raises(ConfigurationError) as caught:
        client_of("https://api.cleanlist.ai")
    assert "hunter2" not in str(caught.value)


@each_case(
    "variables",
    [
        {"HTTPS_PROXY": "http://p:1"},
        {"ALL_PROXY": "http://p:1"},
        {"HTTP_PROXY": "http://p:1"},
        {"HTTPS_PROXY": "p:1", "ALL_PROXY": "http://q:1"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "cleanlist.ai"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.cleanlist.ai:443"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*.cleanlist.ai"},
        {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example, ,ai"},
        {"HTTPS_PROXY": "http://u:s@p:1", "NO_PROXY": "10.0.0.0/8,::1"},
        {},
    ],
)
def test_the_proxy_is_the_one_that_httpx_would_use(variables):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        chosen = ConnectionOptions().proxy_for("https://api.cleanlist.ai")
        theirs = httpx.AsyncClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        pool = theirs._transport_for_url(httpx.URL("https://api.cleanlist.ai"))._pool
    used = getattr(pool, "_proxy_url", None)
    assert (chosen and proxy_name(chosen)) == (used and f"http://{used.host.decode()}:{used.port}")


def test_a_proxy_or_certificates_beside_a_client_of_the_callers_are_refused():
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for options in ({"proxy": "http://p:1"}, {"verify": trust}):
        with pytest.raises(ConfigurationError, match="http_client"):
            client_of("https://api.cleanlist.ai", http_client=httpx.AsyncClient(verify=trust), **options)


async def test_a_download_goes_through_the_proxy_that_its_own_address_needs(tmp_path, environment):
    """The proxy refuses: what counts is that it was asked, and for what."""
    async with FaultyServer(always(answer(403))) as proxy:
        environment("HTTPS_PROXY", proxy.base_url)
        made = json.dumps({"list_id": "l", "download_url": "https://files.example/x?sig=canary"})
        api = FaultyServer(always(answer(200, made.encode())))
        async with api, client_of(api.base_url, max_retries=0) as client:
            error = await outcome_of(client.export.download_csv("l", tmp_path / "out.csv"))
        asked = [(request.method, request.target) for request in proxy.requests]

    assert type(error) is APIConnectionError
    assert asked == [("CONNECT", "files.example:443")]
    assert "canary" not in str(error)
