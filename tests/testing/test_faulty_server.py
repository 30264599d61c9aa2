"""Each fault as httpx sees it."""

from __future__ import annotations

import anyio
import httpx
import pytest

from tests.support.faulty_server import (
    FIN,
    NEVER,
    RESET,
    Answer,
    FaultyServer,
    Request,
    Script,
    after_informational,
    answer,
    garbage,
    gzip_bomb,
    huge_header,
    redirect,
)

pytestmark = [pytest.mark.anyio, pytest.mark.sockets]

TIMEOUT_S = 0.3


def caller(**options) -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, verify=False, **options)


def always(one: Answer) -> Script:
    return lambda request, number: one


def get(script: Script, *paths: str) -> tuple[list[httpx.Response | httpx.HTTPError], FaultyServer]:
    """Send requests over one client; tell each one's answer or error."""

    async def main() -> tuple[list[httpx.Response | httpx.HTTPError], FaultyServer]:
        outcomes: list[httpx.Response | httpx.HTTPError] = []
        async with (
            FaultyServer(script) as server,
            caller(base_url=server.base_url, timeout=TIMEOUT_S) as http,
        ):
            for path in paths or ("/",):
                try:
                    outcomes.append(await http.get(path))
                except httpx.HTTPError as error:
                    outcomes.append(error)
        return outcomes, server

    return anyio.run(main)


def outcome(one: Answer) -> httpx.Response | httpx.HTTPError:
    ((only,), _) = get(always(one))
    return only


async def test_it_sees_the_whole_request():
    async with FaultyServer(always(answer())) as server, caller() as http:
        for _ in range(2):
            response = await http.post(
                server.base_url + "/a?b=1", content=b"x" * 200_000, headers={"X-K": "v"}
            )
            assert response.json() == {}
        first, second = server.requests
    assert (first.method, first.target, first.headers["x-k"]) == ("POST", "/a?b=1", "v")
    assert len(first.body) == 200_000
    assert (first.connection, second.connection) == (0, 0)


def test_the_script_answers_by_request_and_number():
    script: Script = lambda request, number: answer(200 + number, request.target.encode())  # noqa: E731
    responses, _ = get(script, "/a", "/b")
    assert [(one.status_code, one.text) for one in responses] == [(200, "/a"), (201, "/b")]


@pytest.mark.parametrize(
    ("one", "error"),
    [
        pytest.param(FIN, httpx.RemoteProtocolError, id="fin"),
        pytest.param(RESET, httpx.ReadError, id="reset"),
        pytest.param(NEVER, httpx.ReadTimeout, id="never"),
        pytest.param(garbage(), httpx.RemoteProtocolError, id="garbage"),
        pytest.param(answer(body=b"x" * 50).cut(10), httpx.RemoteProtocolError, id="cut in the head"),
        pytest.param(answer(body=b"x" * 50).cut(-10), httpx.RemoteProtocolError, id="cut in the body"),
        pytest.param(answer(body=b"x" * 50).cut(-10, "reset"), httpx.ReadError, id="reset in the body"),
        pytest.param(answer(body=b"x" * 50).cut(-10, "hang"), httpx.ReadTimeout, id="silent in the body"),
        pytest.param(answer(content_length=99), httpx.ReadTimeout, id="content-length too long"),
        pytest.param(huge_header(200_000), httpx.RemoteProtocolError, id="huge header"),
        pytest.param(
            answer(body=b"no gzip", headers={"content-encoding": "gzip"}), httpx.DecodingError, id="no gzip"
        ),
    ],
)
def test_the_error_of(one: Answer, error: type[httpx.HTTPError]):
    assert type(outcome(one)) is error


def test_what_follows_a_content_length_that_is_too_short_spoils_the_next_answer():
    (first, second), _ = get(always(answer(body=b'{"a":1}{"b":2}', content_length=7)), "/a", "/b")
    assert (first.text, type(second)) == ('{"a":1}', httpx.RemoteProtocolError)


def test_an_answer_sent_twice_is_taken_for_the_next_one():
    script: Script = lambda request, number: answer(body=request.target.encode()).twice()  # noqa: E731
    responses, _ = get(script, "/a", "/b")
    assert [one.text for one in responses] == ["/a", "/a"]


async def test_a_late_second_answer_reaches_the_next_request():
    first = answer(body=b"first")
    late = Answer((*first.pieces, 0.05, *first.pieces))
    script: Script = lambda request, number: late if number == 0 else answer(body=b"second")  # noqa: E731

    async with FaultyServer(script) as server, caller() as http:
        texts = [(await http.get(server.base_url)).text for _ in range(2)]
    assert texts == ["first", "first"]


def test_a_slow_drip_stays_under_a_read_timeout():
    dripped = answer(body=b'{"slow":true}').drip(20, 0.02)
    assert len([piece for piece in dripped.pieces if piece == 0.02]) > 3
    assert outcome(dripped).json() == {"slow": True}


def test_a_delayed_answer_comes_or_not():
    assert outcome(answer().delayed(0.05)).json() == {}
    assert type(outcome(answer().delayed(5.0))) is httpx.ReadTimeout


def test_informational_answers_come_first():
    assert outcome(after_informational(answer(body=b'{"final":1}'), 100, 103)).json() == {"final": 1}


def test_a_redirect():
    response = outcome(redirect("http://elsewhere.test/", 307))
    assert (response.status_code, response.headers["location"]) == (307, "http://elsewhere.test/")


@pytest.mark.parametrize("layers", [1, 2])
def test_a_gzip_bomb_is_small_on_the_wire(layers: int):
    bomb = gzip_bomb(2_000_000, layers)
    assert len(bomb.raw) < 20_000
    assert len(outcome(bomb).content) == 2_000_000


@pytest.mark.parametrize(
    ("then", "errors"),
    [
        ("fin_on_next", {httpx.RemoteProtocolError, httpx.ReadError}),
        ("reset_on_next", {httpx.ReadError, httpx.WriteError}),
    ],
)
def test_a_kept_connection_ends_as_the_next_request_arrives(then, errors: set[type[httpx.HTTPError]]):
    script: Script = lambda request, number: answer().ending(then if number == 0 else "keep")  # noqa: E731
    (first, second, third), server = get(script, "/a", "/b", "/c")
    assert (first.status_code, type(second) in errors, third.status_code) == (200, True, 200)
    assert ([one.target for one in server.requests], server.connections) == (["/a", "/c"], 2)


def test_a_closed_connection_is_replaced():
    responses, server = get(always(answer().ending("fin")), "/a", "/b")
    assert [one.status_code for one in responses] == [200, 200]
    assert server.connections == 2


async def test_it_is_bounded_in_count_and_time():
    async with (
        FaultyServer(always(answer()), max_requests=1) as server,
        caller() as http,
    ):
        assert (await http.get(server.base_url)).status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(server.base_url)
    async with FaultyServer(always(NEVER), max_connection_s=0.05) as server, caller() as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(server.base_url)


async def test_it_ends_while_answers_are_under_way():
    async with caller() as http, FaultyServer(always(NEVER)) as server:
        with anyio.move_on_after(0.05):
            await http.get(server.base_url)


def test_a_mistake_in_the_script_is_loud():
    def broken(request: Request, number: int) -> Answer:
        raise LookupError("a mistake")

    async def main() -> None:
        async with FaultyServer(broken) as server, caller() as http:
            await http.get(server.base_url)

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(main)
    assert caught.group_contains(LookupError)
