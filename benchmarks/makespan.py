"""How long do 100,000 contacts take, beside the loops of the documentation and of the official client?

Virtual time, a strict sliding-window server, workflows of lognormal length, one-way latency 20 to 400 ms. Ours is the
whole client down to httpcore. The loops go chunk by chunk, 250 contacts each, as their examples do: submit, then ask
every 5 s (docs.cleanlist.ai/mcp-api/polling), or every 3 s (README of cleanlist-ai 2.0.0) until it is done. With
webhooks the server posts each result when its workflow is done, and no status request is needed.

    python -m benchmarks.makespan [--contacts 100000] [--seeds 3] [--medians 20 600]
    python -m benchmarks.makespan --grid [--seeds 40]   # every size: see makespan_grid
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import random
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import httpx

from benchmarks import report
from benchmarks.measuring import side_by_side
from benchmarks.people import People
from cleanlist_async import Contact, RateLimiter, WebhookReceiver
from cleanlist_async.contacts.contact import API_FIELDS
from cleanlist_async.sandbox.limits import LimitKind
from cleanlist_async.testing import (
    MemoryNetwork,
    ServerRequest,
    ServerResponse,
    StrictServer,
    memory_transport,
    run,
)
from cleanlist_async.testing.strict_server import Workflow
from cleanlist_async.testing.virtual_client import BASE_URL, VirtualCleanlist

WINDOW_S, ROUND_TRIP_S, ONE_WAY_S, SIGMA, CHUNK = 60.0, 0.42, 0.21, 0.5, 250
KEY, JWT = "clapi_0", "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"
CALL_EVERY_S, CALLER = 30.0, "Caller"
MEDIANS_S = (20.0, 600.0)
TEXT = f"""{report.text_of(__doc__)}

    bound = (submits + workflows - first burst) / rate + last workflow + one round trip; with webhooks
            (submits - first burst) / rate + last workflow + one way
    in whole windows = what nobody can beat: no n-th request is let in before floor((n - 1) / limit) windows. Until the
            last request and its round trip; or the last submit, the last workflow and that, if it is longer
    last workflow = from the last submit until every workflow is done
    tail = from the end of the last workflow to its result in hand

The bound is no lower one: with long workflows, status requests are made while the last of them still run. And it counts
parts of a window that no server lets anybody use: of two keys, 800 requests take 13 windows of 60, not 12.3. A token
comes back a window after its answer, with a handshake 60.9 s after it was taken; and a key that got a few more of the
submits has as many more status requests to make at the end, while tokens of the other are idle."""


@dataclass(frozen=True)
class Measured:
    makespan_s: float
    workflows: tuple[tuple[float, float], ...]
    """When each was submitted, and when it finished."""
    bound_s: float
    whole_windows_s: float
    tail_s: float
    status_requests: float
    """For each workflow."""
    rejections: int
    first_result_s: float
    last_submit_s: float
    cpu_s: float


class PushingServer(StrictServer):
    """Tells *on_accept* of each workflow that is to be posted somewhere."""

    on_accept: Callable[[Workflow, str], None] | None = None

    async def __call__(self, request: ServerRequest) -> ServerResponse:
        """Answer one request."""
        response = await super().__call__(request)
        if self.on_accept is not None and request.method == "POST" and response.status == 200:
            workflow = self.workflows[json.loads(response.body)["workflow_id"]]
            self.on_accept(workflow, json.loads(request.body)["webhook_url"])
        return response


@dataclass
class World:
    """A server, a network to it, and when results were first in hand."""

    server: PushingServer
    network: MemoryNetwork
    latency: Callable[[], float]
    first_result_s: float = math.inf
    list_ended_s: float = math.inf

    def note_result(self) -> None:
        self.first_result_s = min(self.first_result_s, anyio.current_time())

    def note_end(self) -> None:
        self.list_ended_s = anyio.current_time()


Way = Callable[[World, int], Coroutine[None, None, None]]


def keys_of(number: int) -> list[str]:
    return [f"clapi_{place}" for place in range(number)]


async def ours(world: World, contacts: int, *, keys: int = 1) -> None:
    """Our client, one stream."""
    async with VirtualCleanlist(world.network, keys_of(keys)) as client:
        async with client.stream(People(contacts)) as results:
            async for result in results:
                assert result.status in {"found", "not_found"}, result
                world.note_result()


async def as_a_list(world: World, contacts: int, *, credential: str = KEY) -> None:
    """Our client, one list, whose results are all there in the end."""
    async with VirtualCleanlist(world.network, credential) as client:
        report = await client.enrich(People(contacts))
        report.raise_for_error()
        world.note_result()
        world.note_end()


async def beside_a_caller(world: World, contacts: int) -> None:
    """Our client, one list, while somebody enriches one contact every so often with another client."""
    limiter = RateLimiter(clock=asyncio.get_running_loop().time)

    async def call(client: VirtualCleanlist) -> None:
        for number in itertools.count():
            await client.enrich_one(
                Contact(first_name=CALLER, last_name=f"No{number}", company_domain="a.com"),
                deadline_s=math.inf,
            )
            await anyio.sleep(CALL_EVERY_S)

    async with (
        VirtualCleanlist(world.network, KEY, limiter=limiter) as other,
        anyio.create_task_group() as group,
    ):
        group.start_soon(call, other)
        async with VirtualCleanlist(world.network, KEY, limiter=limiter) as client:
            report = await client.enrich(People(contacts))
            report.raise_for_error()
            world.note_result()
            world.note_end()
        group.cancel_scope.cancel()


async def pushed(world: World, contacts: int, *, lost: float = 0.0) -> None:
    """Our client, one stream; the server posts what is done to our receiver, but for a share that is *lost*."""
    receiver = WebhookReceiver("https://app.example/webhooks")
    losing = random.Random(contacts)

    async def deliver(workflow: Workflow, url: str) -> None:
        if losing.random() < lost:
            return
        await anyio.sleep(workflow.finishes_at + world.latency() - anyio.current_time())
        event = {"event": "bulk_enrichment.completed", **workflow.report(anyio.current_time(), rows=True)}
        token = url.removeprefix(f"{receiver.public_url}/")
        answer = await receiver.receive(token, "application/json", json.dumps(event).encode())
        assert answer.status == 204, answer

    async with anyio.create_task_group() as posts:
        world.server.on_accept = partial(posts.start_soon, deliver)
        async with VirtualCleanlist(world.network, [KEY], webhooks=receiver) as client:
            async with client.stream(People(contacts)) as results:
                async for result in results:
                    assert result.status in {"found", "not_found"}, result
                    world.note_result()


def loop(poll_every_s: float) -> Way:
    """One chunk after the other: submit, then ask every so often until it is done."""

    async def way(world: World, contacts: int) -> None:
        async with httpx.AsyncClient(
            transport=memory_transport(world.network),
            base_url=f"{BASE_URL}/api/v1/public",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=None,
        ) as http:
            for chunk in chunks(contacts):
                workflow_id = (await ask(http, "POST", "/enrich/bulk", json={"contacts": chunk}))[
                    "workflow_id"
                ]
                status = {"status": "processing"}
                while status["status"] != "completed":
                    await anyio.sleep(poll_every_s)
                    status = await ask(http, "GET", "/enrich/status", params={"workflow_id": workflow_id})
                world.note_result()

    return way


async def ask(http: httpx.AsyncClient, method: str, path: str, **what: Any) -> dict[str, Any]:
    """Ask again after a 429, as long after as it says."""
    while (response := await http.request(method, path, **what)).status_code == 429:  # noqa: ASYNC110
        await anyio.sleep(float(response.headers["retry-after"]))
    response.raise_for_status()
    return response.json()


def chunks(contacts: int) -> Iterator[list[dict[str, str]]]:
    people = iter(People(contacts))
    while chunk := list(islice(people, CHUNK)):
        yield [{name: value for name in API_FIELDS if (value := getattr(one, name))} for one in chunk]


DOCUMENTED, OFFICIAL = "the documentation's loop", "the official client's loop"
OURS, TWO_KEYS, WITH_WEBHOOKS = "ours, one key", "ours, two keys", "ours, one key, webhooks"
COMPARED = (DOCUMENTED, OFFICIAL, OURS, TWO_KEYS, WITH_WEBHOOKS)
AS_A_LIST = "ours, one key, enrich"


@dataclass(frozen=True)
class Setup:
    """A way, the credentials it uses, and how the server counts their requests."""

    way: Way
    credentials: Sequence[str] = field(default_factory=lambda: keys_of(1))
    counts: LimitKind = "sliding"
    is_pushed: bool = False

    @property
    def per_window(self) -> int:
        return 60 if JWT in self.credentials else min(60, 30 * len(self.credentials))


WAYS = {
    DOCUMENTED: Setup(loop(5.0)),
    OFFICIAL: Setup(loop(3.0)),
    OURS: Setup(ours),
    TWO_KEYS: Setup(partial(ours, keys=2), keys_of(2)),
    WITH_WEBHOOKS: Setup(pushed, is_pushed=True),
    AS_A_LIST: Setup(as_a_list),
    "ours, one key, a tenth of the webhooks lost": Setup(partial(pushed, lost=0.1), is_pushed=True),
    "ours, three keys": Setup(partial(ours, keys=3), keys_of(3)),
    "ours, four keys": Setup(partial(ours, keys=4), keys_of(4)),
    "ours, a JWT, enrich": Setup(partial(as_a_list, credential=JWT), [JWT]),
    "ours, one key, enrich, weighted counter": Setup(as_a_list, counts="weighted"),
    "ours, one key, enrich, a caller every 30 s": Setup(beside_a_caller),
}


def measured(name: str, contacts: int, median_s: float, seed: int) -> Measured:
    return run(simulate(name, contacts, median_s, seed))


async def simulate(name: str, contacts: int, median_s: float, seed: int) -> Measured:
    setup = WAYS[name]
    rng = random.Random(seed)
    latency = lambda: rng.uniform(0.02, 0.4)  # noqa: E731
    server = PushingServer(
        limiter=setup.counts,
        keys=dict.fromkeys(setup.credentials, "org"),
        workflow_s=lambda: rng.lognormvariate(math.log(median_s), SIGMA),
    )
    start = time.process_time()
    async with MemoryNetwork(server, latency=latency) as network:
        world = World(server, network, latency)
        await setup.way(world, contacts)
        makespan_s = min(world.list_ended_s, anyio.current_time())
    flows = [flow for flow in server.workflows.values() if flow.contacts[0].get("first_name") != CALLER]
    last_finish = max(flow.finishes_at for flow in flows)
    last_submit_s = max(flow.submitted_at for flow in flows)
    last_workflow_s = last_finish - last_submit_s
    rate = setup.per_window
    needed, last_way_s = (len(flows), ONE_WAY_S) if setup.is_pushed else (2 * len(flows), ROUND_TRIP_S)
    least_submit_s, least_request_s = ((n - 1) // rate * WINDOW_S for n in (len(flows), needed))
    status_requests = sum(request.path.endswith("/enrich/status") for request in server.requests)
    return Measured(
        makespan_s=makespan_s,
        workflows=tuple((flow.submitted_at, flow.finishes_at) for flow in flows),
        bound_s=max(0, needed - rate) / rate * WINDOW_S + last_workflow_s + last_way_s,
        whole_windows_s=max(least_submit_s + last_workflow_s, least_request_s) + last_way_s,
        tail_s=makespan_s - last_finish,
        status_requests=status_requests / len(flows),
        rejections=len(server.rejections),
        first_result_s=world.first_result_s,
        last_submit_s=last_submit_s,
        cpu_s=time.process_time() - start,
    )


def measure(contacts: int = 100_000, medians: Sequence[float] = MEDIANS_S, seeds: int = 3) -> report.Section:
    short = medians[0]
    asked = [
        (name, median_s, seed)
        for median_s in medians
        for name in COMPARED
        if median_s == short or is_ours(name)
        for seed in range(seeds if median_s == short and is_ours(name) else 1)
    ]
    results = side_by_side(measured, [(name, contacts, median_s, seed) for name, median_s, seed in asked])
    runs: dict[tuple[str, float], list[Measured]] = {}
    for (name, median_s, _), one in zip(asked, results, strict=True):
        runs.setdefault((name, median_s), []).append(one)
    found = {at: sorted(of_seeds, key=over_bound)[len(of_seeds) // 2] for at, of_seeds in runs.items()}
    rows = [
        (
            f"{median_s:g} s",
            name,
            len(runs[name, median_s]),
            f"{m.makespan_s:,.0f}",
            f"{found[DOCUMENTED, median_s].makespan_s / m.makespan_s:.1f}" if median_s == short else "",
            spread_over_bound(runs[name, median_s]) if is_ours(name) else "",
            f"{m.makespan_s / m.whole_windows_s - 1:+.1%}" if is_ours(name) else "",
            f"{m.tail_s:.0f}",
            f"{m.status_requests:.3f}",
            sum(one.rejections for one in runs[name, median_s]),
            f"{m.first_result_s:.0f}",
            f"{m.cpu_s:.0f}",
        )
        for (name, median_s), m in found.items()
    ]
    times = found[DOCUMENTED, short].makespan_s / found[OURS, short].makespan_s
    polls = max(one.status_requests for (name, _), ones in runs.items() if is_ours(name) for one in ones)
    columns = (
        "median workflow",
        "way",
        "seeds",
        "makespan, s",
        "times faster than the documentation's",
        "over the bound: median (least to most)",
        "over that in whole windows",
        "tail, s",
        "status requests per workflow",
        "429s, all seeds",
        "first result, s",
        "CPU with the server, s",
    )
    # Tokens that no submit waits for are worth nothing unless a question takes them.
    most_polls = report.Target("status requests per workflow", "no target", f"{polls:.3f}", met=True)
    return report.Section(
        f"Makespan of {contacts:,} contacts",
        TEXT,
        [report.Table(columns, rows)],
        [
            *(at_most_over(name, short, over_bound(found[name, short])) for name in (OURS, TWO_KEYS)),
            report.Target("beside the documentation's loop", "5 times faster", f"{times:.1f}", times >= 5),
            most_polls,
        ],
        [
            report.Bars(
                "makespan",
                f"Makespan of {contacts:,} contacts, median workflow {short:g} s",
                list(COMPARED),
                {"minutes": [found[name, short].makespan_s / 60 for name in COMPARED]},
                "minutes",
            )
        ],
    )


def at_most_over(name: str, median_s: float, over: float) -> report.Target:
    what = f"{name}, workflows of {median_s:g} s: over the bound"
    return report.Target(what, "at most 3 %", f"{over:+.1%}", over <= 0.03)


def is_ours(name: str) -> bool:
    return name.startswith("ours")


def over_bound(m: Measured) -> float:
    return m.makespan_s / m.bound_s - 1


def spread_over_bound(runs: Sequence[Measured]) -> str:
    """A window more or less, for one status request that came too late for the last, is 4 % of this."""
    values = sorted(map(over_bound, runs))
    return f"{statistics.median(values):+.1%} ({values[0]:+.1%} to {values[-1]:+.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--medians", type=float, nargs="+")
    parser.add_argument("--seeds", type=int)
    grid = parser.add_argument_group("the grid")
    grid.add_argument("--grid", action="store_true")
    grid.add_argument("--sizes", type=int, nargs="+")
    grid.add_argument("--way", choices=[name for name in WAYS if is_ours(name)], default=AS_A_LIST)
    grid.add_argument("--record", type=Path)
    grid.add_argument("--before", type=Path)
    options = parser.parse_args()
    if not options.grid:
        medians, seeds = options.medians or MEDIANS_S, options.seeds or 3
        report.show(lambda: measure(options.contacts, medians, seeds))
        return
    from benchmarks import makespan_grid  # noqa: PLC0415  # which imports this module

    report.show(
        lambda: makespan_grid.measure_grid(
            options.sizes or makespan_grid.SIZES,
            options.medians or makespan_grid.MEDIANS_S,
            options.seeds or 40,
            name=options.way,
            before=options.before,
            record=options.record,
        )
    )


if __name__ == "__main__":
    main()
