"""A key shows itself nowhere but in the header it is for."""

import asyncio
import copy
import gc
import io
import json
import logging
import pickle
from itertools import product

import httpx
import pytest

from cleanlist_async import (
    AsyncCleanlist,
    CleanlistError,
    ConfigurationError,
    RateLimiter,
    WebhookReceiver,
    errors,
)
from tests.support.cases import each_case
from tests.support.clients import (
    ADA,
    ANSWERS,
    CALLS,
    KEY,
    against,
    always,
    client_of,
    json_answer,
    outcome_of,
)
from tests.support.examples import some
from tests.support.faulty_server import FIN, NEVER, RESET, FaultyServer, answer, garbage
from tests.support.leaks import assert_hidden, deep_text, shown

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"
CLAPI = "clapi_canary0123456789abcdef"
KEYS = {"odd": KEY, "jwt": JWT, "clapi": CLAPI}


@pytest.fixture
def debug_log():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    loggers = [logging.getLogger(name) for name in (None, "httpx", "httpcore", "cleanlist_async")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


BAD = {
    "newline": "secret-canary\n",
    "carriage": "secret-canary\r\nX-Evil: 1",
    "space": "secret canary",
    "tab": "secret\tcanary",
    "nul": "secret-canary\0",
    "accent": "secret-canary-é",
    "euro": "€secret-canary",
    "surrogate": "secret-canary-\ud800",
    "del": "secret-canary\x7f",
    "list": ["good-key-0", "secret canary"],
    "jwt and key": [JWT, "secret-canary"],
    "bytes": b"secret-canary",
    "nested": [["secret-canary"]],
    "number": [7, "secret-canary"],
}


@pytest.mark.parametrize("form", BAD)
def test_a_bad_key_is_refused_without_being_printed(form, debug_log):
    with pytest.raises(ConfigurationError) as caught:
        AsyncCleanlist(BAD[form], base_url="http://127.0.0.1:9")
    error = caught.value
    texts = shown(error)
    for part in ("secret", JWT):
        assert part not in texts
        assert part not in debug_log.getvalue()
    assert "key" in str(error) or "JWT" in str(error)


@pytest.mark.parametrize("given", ["", "  ", [], [""], (), [" ", ""]])
def test_no_key_is_refused(given, monkeypatch):
    monkeypatch.setenv("CLEANLIST_API_KEY", CLAPI)
    with pytest.raises(ConfigurationError):
        AsyncCleanlist(given)


@pytest.mark.parametrize(
    "text", [None, "", " , ,", "secret canary", "secret-canary\n", "good-key-0,secret canary"]
)
def test_a_bad_key_in_the_environment_is_refused_without_being_printed(text, monkeypatch):
    monkeypatch.delenv("CLEANLIST_API_KEY", raising=False)
    if text is not None:
        monkeypatch.setenv("CLEANLIST_API_KEY", text)
    with pytest.raises(ConfigurationError, match="CLEANLIST_API_KEY") as caught:
        AsyncCleanlist()
    assert "secret" not in shown(caught.value)


def test_several_keys_in_the_environment(monkeypatch):
    monkeypatch.setenv("CLEANLIST_API_KEY", f"{CLAPI},other-key-1")
    assert len(AsyncCleanlist(base_url="http://127.0.0.1:9")._runtime.pipeline.route.keys) == 2


@each_case(
    "options",
    [
        {"base_url": "http://evil.example"},
        {"base_url": "https://"},
        {"max_retries": -1},
        {"deadline_s": 0.0},
        {"request_timeout_s": float("nan")},
        {"pace": "fast"},
        {"proxy": "nonsense"},
        {"http_client": object()},
    ],
)
def test_no_refusal_of_another_option_shows_the_key(options):
    with pytest.raises(ConfigurationError) as caught:
        AsyncCleanlist(KEY, **{"base_url": "http://127.0.0.1:9", **options})
    assert_hidden(shown(caught.value), KEY)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.anyio
async def test_no_public_object_shows_the_key(kind):
    key = KEYS[kind]

    async with against(always(json_answer(ANSWERS["credits_balance"])), api_key=key) as (client, _):
        await client.public.credits_balance()
        stream = client.stream([ADA])
        things = [client, client.public, client.with_options(pace="smooth"), client.statistics(), stream]
        things += [
            client._runtime.pipeline,
            client._runtime.shared.transport,
            client._runtime.pipeline.limiter,
            client._runtime.shared.root,
            client._runtime.bulk.polls,
        ]
        for thing in things:
            assert_hidden(deep_text(thing), key)
            assert_hidden(f"{thing} {thing!r} {thing:}", key)
            assert_hidden(str(vars(thing)) if hasattr(thing, "__dict__") else "", key)
        for secret in client._runtime.pipeline._credentials.secrets.values():
            for attempt in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
                with pytest.raises(TypeError) as caught:
                    attempt(secret)
                assert_hidden(str(caught.value), key)
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot be pickled or copied"):
                attempt(client)


# -- passwords in addresses ------------------------------------------------------------------------

PASSWORD = "hunter2-canary"
PROXIES = {
    "unknown scheme": f"ftp://user:{PASSWORD}@proxy.example",
    "no port": f"http://user:{PASSWORD}@proxy.example:none",
    "port beyond the last": f"http://user:{PASSWORD}@proxy.example:65536",
    "broken": f"http://user:{PASSWORD}@[",
    "percent": f"http://user:{PASSWORD}@a%2eb",
    "socks": f"socks5://user:{PASSWORD}@proxy.example",
    "surrogate": f"http://user:{PASSWORD}\ud800@proxy.example",
    "bytes": f"http://user:{PASSWORD}@proxy.example".encode(),
}


@pytest.mark.parametrize("form", PROXIES)
def test_a_proxy_that_is_refused_is_not_printed(form):
    with pytest.raises(ConfigurationError) as caught:
        client_of("https://api.cleanlist.ai", proxy=PROXIES[form])
    assert_hidden(shown(caught.value), PASSWORD)


@pytest.mark.parametrize(
    "base_url", ["ftp://user:{}@x", "https://user:{}@x.example", "http://:{}@[", "//{}@x"]
)
def test_nor_is_a_base_url_with_a_password(base_url):
    with pytest.raises(ConfigurationError) as caught:
        client_of(base_url.format(PASSWORD))
    assert_hidden(shown(caught.value), PASSWORD)


@pytest.mark.parametrize("public_url", ["https://user:{}@x.example", "https://x.example?{}", "http://:{}@x"])
def test_nor_is_an_address_for_webhooks_with_a_password(public_url):
    with pytest.raises(ConfigurationError) as caught:
        WebhookReceiver(public_url.format(PASSWORD))
    assert_hidden(shown(caught.value), PASSWORD)


TOKEN = "token-canary"
ODD_ADDRESSES = {
    "http": f"http://x.example/{TOKEN}",
    "broken": f"https://[{TOKEN}",
    "blank": f"https://x.example/{TOKEN} ",
    "surrogate": f"https://x.example/{TOKEN}\ud800",
    "bytes": f"https://x.example/{TOKEN}".encode(),
    "list": [f"https://x.example/{TOKEN}"],
}
GIVEN_AN_ADDRESS = {
    "submit_bulk": lambda client, address, **more: client.public.submit_bulk(
        [ADA], webhook_url=address, **more
    ),
    "enrich": lambda client, address, **more: client.enrich([ADA], webhook_url=address, **more),
    "stream": lambda client, address, **more: opened(
        lambda: client.stream([ADA], webhook_url=address, **more)
    ),
    "job": lambda client, address, **more: client.job("j.journal", [ADA], webhook_url=address, **more),
}


async def opened(make):
    make()


@pytest.mark.parametrize("door", GIVEN_AN_ADDRESS)
@pytest.mark.anyio
async def test_nor_is_the_token_in_an_address_for_webhooks(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async with client_of("http://127.0.0.1:19") as client:  # where no other test has a limiter
        refusals = [GIVEN_AN_ADDRESS[door](client, address) for address in ODD_ADDRESSES.values()]
        good = f"https://x.example/{TOKEN}"
        refusals.append(GIVEN_AN_ADDRESS[door](client, good, enrichment_type="everything"))
        outcomes = [await outcome_of(refusal) for refusal in refusals]
    for outcome in outcomes:
        assert isinstance(outcome, ConfigurationError)
        assert_hidden(shown(outcome), TOKEN)


@pytest.mark.parametrize("options", [{"limits": 3}, {"fail": "ajar"}, {"clock": 3}])
def test_no_refusal_of_another_option_shows_the_password_of_a_redis(options):
    with pytest.raises(ConfigurationError) as caught:
        RateLimiter.redis(f"redis://:{PASSWORD}@127.0.0.1:1", **options)
    assert_hidden(shown(caught.value), PASSWORD)


@pytest.mark.parametrize(
    "options", [{"base_url": "http://127.0.0.1:9"}, {"pace": "fast"}, {"max_queued": -1}]
)
def test_no_refusal_of_another_option_shows_the_password_of_a_proxy(options):
    given = {
        "base_url": "https://api.cleanlist.ai",
        "proxy": f"http://user:{PASSWORD}@proxy.example",
        **options,
    }
    with pytest.raises(ConfigurationError) as caught:
        AsyncCleanlist(KEY, **given)
    assert_hidden(shown(caught.value), PASSWORD)


@pytest.mark.sockets
@pytest.mark.parametrize(
    "said",
    [answer(407), answer(403), FIN, RESET, NEVER, garbage()],
    ids=["407", "403", "fin", "reset", "never", "x"],
)
@pytest.mark.anyio
async def test_no_failure_of_a_proxy_shows_its_password(said, debug_log):
    async with FaultyServer(always(said)) as server:
        proxy = server.base_url.replace("//", f"//user:{PASSWORD}@")
        options = {"proxy": proxy, "request_timeout_s": 0.2, "max_retries": 0}
        async with client_of("https://api.invalid", **options) as client:
            outcomes = await asyncio.gather(*(outcome_of(call(client)) for call in CALLS.values()))
            assert_hidden(deep_text(client, 3), PASSWORD)  # deeper are httpcore's own headers
            requests = server.requests
    assert all("proxy-authorization" in request.headers for request in requests)
    for outcome in outcomes:
        assert isinstance(outcome, errors.APIConnectionError | errors.APITimeoutError), outcome
        assert_hidden(shown(outcome, foreign=True), PASSWORD)
    assert_hidden(debug_log.getvalue(), PASSWORD)


ECHOES = {
    "error": lambda echo: json_answer(
        {
            "error": {
                "code": "invalid_token",
                "problem": f"bad {echo}",
                "fix": echo,
                "request_id": echo,
                "details": {echo: [echo]},
            }
        },
        401,
    ),
    "detail": lambda echo: json_answer({"detail": f"Invalid key Bearer {echo}"}, 403),
    "fields": lambda echo: json_answer(
        {"detail": [{"loc": ["header", echo], "msg": echo, "type": echo, "input": echo}]}, 422
    ),
    "text": lambda echo: answer(500, f"no {echo}".encode(), {"content-type": "text/plain"}),
    "html": lambda echo: answer(400, f"<p>{echo}</p>".encode(), {"content-type": "text/html"}),
    "429": lambda echo: json_answer(
        {"error": {"code": "rate_limited", "problem": echo, "retry_after_ms": 200_000}}, 429
    ),
    "request id": lambda echo: answer(400, b"{}", {"x-request-id": echo}),
    "unreadable": lambda echo: answer(200, echo.encode()),
    "error in 200": lambda echo: json_answer({"error": {"code": echo, "problem": echo}}),
    "encoding": lambda echo: answer(200, b"", {"content-encoding": echo}),
    "good": lambda echo: json_answer(
        {
            "credits": 1,
            "valid": True,
            "workflow_id": "wf_1",
            "status": "completed",
            "deliveries": [],
            "you": echo,
            echo: 1,
        }
    ),
}


@pytest.mark.sockets
@pytest.mark.scaled
@pytest.mark.parametrize(("kind", "form"), some(product(KEYS, ECHOES)))
@pytest.mark.anyio
async def test_a_server_that_echoes_the_key_gets_it_into_nothing(kind, form, debug_log):
    key = KEYS[kind]

    async with against(always(ECHOES[form](key)), api_key=key, max_retries=0) as (client, _):
        outcomes = [await outcome_of(call(client)) for call in CALLS.values()]
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            texts = shown(outcome)
            assert_hidden(texts, key)
            again = pickle.dumps(outcome)
            assert key.encode() not in again
            assert_hidden(repr(vars(copy.copy(outcome))), key)
        else:
            assert_hidden(repr(outcome) + outcome.model_dump_json() + repr(vars(outcome)), key)
    log = debug_log.getvalue()
    assert "httpcore" in log
    if form not in {"request id", "encoding"}:  # httpcore logs the head of every answer
        assert_hidden(log, key)


@pytest.mark.sockets
@pytest.mark.parametrize("broken", [FIN, RESET, NEVER, garbage()], ids=["fin", "reset", "never", "garbage"])
@pytest.mark.anyio
async def test_no_failure_of_the_network_shows_the_key(broken, debug_log):
    async with against(always(broken), request_timeout_s=0.1, max_retries=1) as (client, _):
        outcomes = [await outcome_of(call(client)) for call in CALLS.values()]
    for outcome in outcomes:
        assert isinstance(outcome, errors.CleanlistError)
        assert_hidden(shown(outcome), KEY)
    assert_hidden(debug_log.getvalue(), KEY)


def test_the_canary_would_be_seen():
    """The detectors above detect."""

    class Leaky:
        def __init__(self):
            self.parts = [{"key": KEY}]

    for text in (deep_text(Leaky()), shown(ValueError(KEY)), json.dumps({"a": KEY})):
        with pytest.raises(AssertionError):
            assert_hidden(text, KEY)


@pytest.mark.anyio
async def test_a_key_given_as_something_else_is_not_printed():
    client = client_of("http://127.0.0.1:9")
    for error in [
        await outcome_of(client.public.bulk_status(workflow_id=KEY)),
        await outcome_of(client.public.webhook_deliveries(KEY)),
        await outcome_of(client.public.submit_bulk([ADA], KEY)),
    ]:
        assert isinstance(error, CleanlistError)
        assert_hidden(str(error), KEY)


@pytest.mark.slow
def test_no_address_that_was_asked_for_outlives_its_client():
    async def main():
        async with against(lambda request, number: json_answer({})) as (client, _server):
            await client.request("GET", "/api/v2/people/ada.lovelace@example.com")

    def kept():
        gc.collect()
        urls = [thing for thing in gc.get_objects() if type(thing) is httpx.URL]
        return [url for url in urls if "ada.lovelace" in url.path]

    asyncio.run(main())
    assert kept() == []
    ours = httpx.URL("https://api.example.com/people/ada.lovelace@example.com")
    assert kept() == [ours], "the search must find what is there"
