"""Answers that no server should give, made of good ones."""

from __future__ import annotations

import json
from contextlib import suppress
from random import Random
from typing import Any

import anyio

from cleanlist_async import CleanlistError
from tests.arguments.feeding import Target, finish, opened

_PATIENCE_S = 2.0
_ODD_JSON = (
    *("null", "true", "0", "-1", "2.5", "1e999", "-1e999", "NaN", "1" + 400 * "0", "253402300800000"),
    *('""', '" "', '"\\ud800"', '"\\u0000"', '"' + 5_000 * "x" + '"', '"1e400"', '"9999-99-99T99:99:99Z"'),
    *("[]", "[null]", "[[]]", 600 * "[" + 600 * "]", '[{"task_id": [1]}, 7]'),
    *("{}", '{"": null}', '{"\\ud800": 1}', '"completed"'),
)


def spoiled(body: bytes, random: Random) -> bytes:
    """Replace one value of a JSON answer, or damage its bytes."""
    if random.random() < 0.25:
        return _damaged(body, random)
    answer = json.loads(body)
    places = list(_places(answer))
    if not places:
        return random.choice(_ODD_JSON).encode()
    holder, key = random.choice(places)
    holder[key] = "@odd@"
    return json.dumps(answer).replace('"@odd@"', random.choice(_ODD_JSON), 1).encode()


def _places(answer: Any) -> list[tuple[Any, Any]]:
    if not isinstance(answer, dict | list):
        return []
    keys = list(answer) if isinstance(answer, dict) else range(len(answer))
    return [(answer, key) for key in keys] + [place for key in keys for place in _places(answer[key])]


def _damaged(body: bytes, random: Random) -> bytes:
    at = random.randrange(len(body) + 1)
    return random.choice(
        (
            body[:at],
            body[:at] + bytes([random.randrange(256)]) + body[at + 1 :],
            body + body[:at],
            b"\xef\xbb\xbf" + body,
            body.decode().encode("utf-16"),
            b"<html>" + body,
            random.randbytes(at),
        )
    )


async def foreign_exceptions_of_spoiled_answers(rounds: int) -> tuple[int, list[str]]:
    """Call every operation so often with spoiled answers; return how many calls, and what was foreign."""
    calls, foreign = 0, list[str]()
    async with opened(max_retries=0) as here:
        targets = [target for target in here.targets() if await _asks(here.server, here, target)]
        for number in range(rounds):
            for target in targets:
                calls += 1
                random = Random(f"{number} {target.name}")
                here.server.spoil = lambda body, random=random: spoiled(body, random)
                try:
                    with anyio.move_on_after(_PATIENCE_S):  # a status that is never final is waited for
                        await finish(here, target)
                except CleanlistError:
                    pass
                except Exception as error:  # noqa: BLE001  # what is looked for
                    foreign.append(f"{target.name}, round {number}: {type(error).__name__}: {error}"[:300])
    return calls, foreign


async def _asks(server: Any, here: Any, target: Target) -> bool:
    """Whether a call sends anything to the server."""
    before = server.requests
    with suppress(CleanlistError):
        await finish(here, target)
    return server.requests > before
