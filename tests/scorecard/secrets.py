"""Secrets: every surface on which a key or a password could show, and on how many it does."""

from __future__ import annotations

import asyncio
import copy
import io
import logging
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from cleanlist_async import AsyncCleanlist, CleanlistError, ConfigurationError
from cleanlist_async.ratelimit import RateLimiter
from cleanlist_async.sandbox import Sandbox
from cleanlist_async.webhooks.mailbox import RedisMailbox
from tests.scorecard.figure import Figure
from tests.support.clients import ADA, CALLS, GRACE, against, always, client_of, outcome_of
from tests.support.faulty_server import FIN, NEVER, RESET, FaultyServer, answer, garbage
from tests.support.leaks import chain_of, deep_texts, is_shown, texts_of
from tests.test_leaks import BAD, ECHOES, KEYS, PASSWORD, PROXIES

HEADS_IN_LOGS = ("request id", "encoding")
"""Echoes in the head of an answer, which httpcore's own debug log repeats."""


class Surfaces:
    """Counts texts, and those on which a secret shows."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.leaks: Counter[str] = Counter()

    def look(self, kind: str, texts: Iterable[str], secret: str) -> None:
        """Look at some texts of one kind."""
        for text in texts:
            self.seen[kind] += 1
            self.leaks[kind] += is_shown(text, secret)

    def look_at(self, outcome: object, secret: str) -> None:
        """Look at an answer or an exception in all the ways in which it could be printed or kept."""
        if isinstance(outcome, BaseException):
            for one in chain_of(outcome):
                self.look("exceptions and the local variables of their tracebacks", texts_of(one), secret)
        else:
            self.look("answers", (repr(outcome), str(outcome), repr(vars(outcome))), secret)
        with suppress(TypeError):
            self.look(
                "pickles and copies", (repr(pickle.dumps(outcome)), repr(vars(copy.copy(outcome)))), secret
            )


def figures(*, long: bool) -> Iterator[Figure]:
    """Count the surfaces."""
    surfaces = Surfaces()
    for _ in range(3 if long else 1):
        asyncio.run(echoed_keys(surfaces))
        asyncio.run(failures_of_the_network(surfaces))
        asyncio.run(journals_and_addresses(surfaces))
        refused_keys(surfaces)
        refused_addresses(surfaces)
        asyncio.run(failures_of_proxies(surfaces))
    for kind, count in surfaces.seen.items():
        yield Figure(f"leaks into {kind}", surfaces.leaks[kind], 0, of=count)
    yield Figure("leaks of a key or a password", surfaces.leaks.total(), 0, of=surfaces.seen.total())


@contextmanager
def debug_log() -> Iterator[io.StringIO]:
    """Everything that is logged, at its most talkative."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


async def echoed_keys(surfaces: Surfaces) -> None:
    """A server that echoes the key, and all that can be reached from a client."""
    for key in KEYS.values():
        for form, echo in ECHOES.items():
            with debug_log() as log:
                async with against(always(echo(key)), api_key=key, max_retries=0) as (client, _):
                    for call in CALLS.values():
                        surfaces.look_at(await outcome_of(call(client)), key)
            if form not in HEADS_IN_LOGS:
                surfaces.look("log lines", log.getvalue().splitlines(), key)
        async with client_of("http://127.0.0.1:9", api_key=key) as client:
            things = [
                client,
                client.public,
                client.statistics(),
                client.stream([ADA]),
                client._runtime.pipeline,
                client._runtime.shared.root,
            ]
            for thing in things:
                surfaces.look("objects and what they refer to", deep_texts(thing), key)


async def failures_of_the_network(surfaces: Surfaces) -> None:
    """Connections that fail in every way."""
    for key in KEYS.values():
        for broken in (FIN, RESET, NEVER, garbage(), answer(204, b"")):
            with debug_log() as log:
                options = {"api_key": key, "request_timeout_s": 0.05, "max_retries": 1}
                async with against(always(broken), **options) as (client, server):
                    for call in CALLS.values():
                        surfaces.look_at(await outcome_of(call(client)), key)
                    surfaces.look("URLs", (request.target for request in server.requests), key)
            surfaces.look("log lines", log.getvalue().splitlines(), key)


async def journals_and_addresses(surfaces: Surfaces) -> None:
    """A durable job and a limits file: all that they leave on the disk."""
    with TemporaryDirectory() as folder:
        async with Sandbox() as sandbox:
            limiter = RateLimiter.sqlite(Path(folder, "limits.db"))
            async with AsyncCleanlist(sandbox.api_key, base_url=sandbox.base_url, limiter=limiter) as client:
                job = await client.job(Path(folder, "job.db"), [ADA, GRACE], cache=Path(folder, "cache.db"))
                await job.run()
                await job.aclose()
        texts = await asyncio.to_thread(lambda: [path.read_bytes() for path in Path(folder).iterdir()])
        for text in texts:
            lines = text.decode("latin-1").split("\n")
            surfaces.look("journals, caches and limits files", lines, sandbox.api_key)


def refused_keys(surfaces: Surfaces) -> None:
    """Keys that are none."""
    for bad in BAD.values():
        try:
            AsyncCleanlist(bad, base_url="http://127.0.0.1:9")
        except ConfigurationError as error:
            surfaces.look_at(error, "canary")


def refused_addresses(surfaces: Surfaces) -> None:
    """Addresses with a password that are refused."""
    url = f"redis://user:{PASSWORD}@127.0.0.1:9"
    attempts = [lambda proxy=proxy: client_of("https://x.example", proxy=proxy) for proxy in PROXIES.values()]
    attempts += [
        lambda: client_of("http://127.0.0.1:9", proxy=f"http://user:{PASSWORD}@proxy.example"),
        lambda: client_of(f"https://user:{PASSWORD}@x.example"),
        lambda: client_of(f"ftp://user:{PASSWORD}@x.example"),
        lambda: RateLimiter.redis(url.replace("redis:", "http:")),
        lambda: RateLimiter.redis(url, namespace="{"),
        lambda: RedisMailbox(url.replace(":9", ":none")),
        lambda: asyncio.run(RedisMailbox(url).take(["a"])),
        lambda: asyncio.run(RedisMailbox(url).put("a", b"b")),
    ]
    for attempt in attempts:
        try:
            attempt()
        except CleanlistError as error:
            surfaces.look_at(error, PASSWORD)
    things = [RateLimiter.redis(url), RateLimiter.redis(url, fail="local"), RedisMailbox(url)]
    surfaces.look("objects and what they refer to", deep_texts(things), PASSWORD)


async def failures_of_proxies(surfaces: Surfaces) -> None:
    """Proxies that refuse, hang and break."""
    for said in (answer(407), answer(403), answer(502), FIN, RESET, NEVER, garbage()):
        with debug_log() as log:
            async with FaultyServer(always(said)) as server:
                proxy = server.base_url.replace("//", f"//user:{PASSWORD}@")
                options = {"proxy": proxy, "request_timeout_s": 0.1, "max_retries": 0}
                async with client_of("https://api.invalid", **options) as client:
                    for call in CALLS.values():
                        surfaces.look_at(await outcome_of(call(client)), PASSWORD)
                    surfaces.look("objects and what they refer to", deep_texts(client, 3), PASSWORD)
        surfaces.look("log lines", log.getvalue().splitlines(), PASSWORD)
