"""Feeds odd values to every parameter of every public callable, which are found by their signatures."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, chdir
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

import anyio
import polars as pl
from fastapi import FastAPI, Request

import cleanlist_async
from cleanlist_async import (
    AsyncCleanlist,
    BadRequestError,
    Budget,
    CleanlistError,
    ConfigurationError,
    Contact,
    Job,
    JournalError,
    MalformedResponseError,
    RateLimits,
    ResultStream,
    Store,
    WebhookReceiver,
)
from cleanlist_async.integrations import fastapi
from cleanlist_async.integrations.opentelemetry import OpenTelemetry
from cleanlist_async.sandbox import Fault, Sandbox, Shape
from cleanlist_async.testing import MemoryNetwork
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.arguments.fitting import fits, hints_of
from tests.arguments.odd_values import ODD, Done, OwnError
from tests.arguments.server import AgreeableServer
from tests.support.clients import ADA, GRACE

FAST = RateLimits(org=10**6, key=10**6, window_s=0.06)
_PATIENCE_S = 20.0

RESULTS = {
    *("EnrichmentReport", "EnrichmentResult", "FieldError", "ImportReport", "Job", "JobReport", "JobStatus"),
    *("Pages", "Plan", "Progress", "Quote", "ResultStream", "Statistics", "Summary", "UnknownChunk"),
    *("WebhookAnswer", "WorkflowStatus"),
}
"""Public classes that only the package makes."""
INTERNAL = {
    "WebhookReceiver": {"attach", "begin", "detach", "expect", "mail_id", "new_token", "take_over"},
    "FileMailbox": {"put", "take"},
    "Store": {"digest", "resolve", "run"},  # there is nothing to resolve here
    "RateLimiter": {
        *(
            "acquire",
            "answered",
            "available",
            "join",
            "lost",
            "states",
            "unsent",
            "waiting",
            "wake_all",
            "watch",
        ),
    },
    "Sandbox": {"add_fault", "expected", "revoke", "serve_forever", "set_credits"},
}
"""Methods that one part of the package has for another, and those of the sandbox for tests."""


COMPLAINS_LATER = {"Contact", "JournalJob.knows", "JournalJob.receive.token", "WebhookReceiver.receive"}
"""A contact's fields are judged when it is used; what a stranger posts is answered, whatever it is."""


@dataclass(frozen=True, slots=True)
class Target:
    """A public callable, and arguments with which it works."""

    name: str
    call: Callable[..., Any]
    sane: dict[str, Callable[[], object]]

    @property
    def parameters(self) -> list[str]:
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return [p.name for p in inspect.signature(self.call).parameters.values() if p.kind not in kinds]

    @property
    def makes_twin(self) -> bool:
        """Whether it returns a client that shares what closing it would end."""
        return self.name.endswith(".with_options")

    def arguments(self) -> dict[str, object]:
        return {name: make() for name, make in self.sane.items()}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one try."""

    kind: Literal["foreign", "unnamed", "accepted", "sent", "hangs"]
    target: str
    parameter: str
    odd: str
    said: str

    def __str__(self) -> str:
        return f"{self.kind:9} {self.target}({self.parameter}={self.odd}): {self.said}"


@dataclass(slots=True)
class Fed:
    """What came of all tries."""

    tries: int = 0
    findings: list[Finding] = field(default_factory=list)

    def count(self, kind: str) -> int:
        return sum(finding.kind == kind for finding in self.findings)


class Here:
    """A client, its server, and one of everything that has public methods."""

    def __init__(
        self, network: MemoryNetwork, server: AgreeableServer, client: AsyncCleanlist, folder: Path
    ) -> None:
        self.network, self.server, self.client, self.folder = network, server, client, folder
        self._numbers = count()
        self.job: Job | None = None
        self.store = Store(self.new_path())

    def new_path(self) -> Path:
        return self.folder / f"{next(self._numbers)}.file"

    def new_key(self) -> str:
        return f"clapi_{next(self._numbers):040}"  # one of its own: two limiters must not share one

    def targets(self) -> Iterator[Target]:
        receiver = WebhookReceiver("https://app.example/hooks")
        for cls in constructors():
            yield self._target(cls.__name__, cls)
            for name, method in inspect.getmembers(cls, inspect.ismethod):
                if not name.startswith("_"):
                    yield self._target(f"{cls.__name__}.{name}", method)
        for function in functions():
            yield self._target(function.__name__, function)
        groups = [
            name for name, _ in inspect.getmembers(type(self.client), lambda m: isinstance(m, property))
        ]
        parts = (getattr(self.client, name) for name in groups)
        for owner in (self.client, *parts, self.job, receiver, self.store):
            yield from self._methods(owner)

    def _methods(self, owner: object) -> Iterator[Target]:
        kind = type(owner).__name__
        if not type(owner).__module__.startswith("cleanlist_async"):
            return
        for name, method in inspect.getmembers(owner, inspect.ismethod):
            if (
                not name.startswith("_")
                and method.__self__ is owner
                and name not in {*INTERNAL.get(kind, ()), *_CLOSES}
            ):
                yield self._target(f"{kind}.{name}", method)

    def _target(self, name: str, call: Callable[..., Any]) -> Target:
        target = Target(name, call, {})
        values = self._sane()
        for parameter in inspect.signature(call).parameters.values():
            for key in (f"{name}.{parameter.name}", parameter.name):
                if key in values and (parameter.default is inspect.Parameter.empty or "." in key):
                    target.sane.setdefault(parameter.name, values[key])
            needed = parameter.default is inspect.Parameter.empty and parameter.kind < 4
            assert (
                parameter.name in target.sane
                or not needed
                or parameter.kind == inspect.Parameter.VAR_POSITIONAL
            ), f"give {name}({parameter.name}=) a sane value, or list it as internal"
        return target

    def _sane(self) -> dict[str, Callable[[], object]]:
        """Values for parameters that are required, or (with the name of the callable) needed."""
        return {
            "AsyncCleanlist.api_key": self.new_key,
            "VirtualCleanlist.api_key": self.new_key,
            "AsyncCleanlist.base_url": lambda: "http://127.0.0.1:1",
            "AsyncCleanlist.rate_limits": lambda: FAST,
            "AsyncCleanlist.request.idempotent": lambda: True,
            "Enrichment.enrich_by_task.lead_list_id": lambda: "list_1",
            "Enrichment.enrich_by_task.max_credits": lambda: 100,
            "Enrichment.enrich_company.domain": lambda: "a.example",
            "Enrichment.enrich_list.max_credits": lambda: 100,
            "Enrichment.enrich_person.email": lambda: "ada@a.example",
            "JournalJob.resolve.abandon": lambda: True,
            "LeadLists.add_leads_to_list.lead_ids": lambda: ["lead_1"],
            "LeadLists.csv_import.column_mapping": lambda: {"email": "Email"},
            "LeadLists.import_csv.source": lambda: b"Email\na@a.example\n",
            "LeadLists.update_list.name": lambda: "a list",
            "PublicAPI.bulk_status.workflow_id": lambda: "wf_1",
            "PublicAPI.webhook_deliveries.workflow_id": lambda: "wf_1",
            "RateLimiter.redis.url": lambda: "redis://127.0.0.1:1/0",
            "RateLimiter.postgres.url": lambda: "postgresql://127.0.0.1:1/x",
            "SearchAPI.companies.names": lambda: ["a"],
            "SearchAPI.people.titles": lambda: ["a"],
            "SmartAgents.run_smart_agent.max_credits": lambda: 100,
            "SmartAgents.run_smart_agent.prompt": lambda: "a prompt",
            "VirtualCleanlist.job.name": self.new_path,
            "VirtualCleanlist.job.source": lambda: [ADA, GRACE],
            "VirtualCleanlist.rate_limits": lambda: FAST,
            "app": FastAPI,
            "body": lambda: b"{}",
            "budget": Budget,
            "client": lambda: self.client,
            "error": ConfigurationError,
            "frame": lambda: pl.DataFrame([ADA, GRACE]),
            "request": lambda: Request({"type": "http", "headers": []}, anyio.sleep_forever),
            "work": Done,
            "reason": lambda: "a reason",
            "receiver": lambda: WebhookReceiver("https://app.example/hooks"),
            "cleanlist_client.name": lambda: "cleanlist",
            "chunk": lambda: 0,
            "column_mapping": lambda: {"email": "Email"},
            "column_name": lambda: "a column",
            "contact": lambda: ADA,
            "contacts": lambda: [ADA, GRACE],
            "content_type": lambda: "application/json",
            "csv_content_base64": lambda: "RW1haWwKYUBhLmV4YW1wbGUK",
            "data_points": lambda: ["Email"],
            "lead_ids": lambda: ["lead_1"],
            "lead_list_id": lambda: "list_1",
            "list_id": lambda: "list_1",
            "method": lambda: "GET",
            "name": lambda: "a name",
            "network": lambda: self.network,
            "path": lambda: "/api/v2/folders",
            "FileMailbox.path": self.new_path,
            "Store.url": self.new_path,
            "RateLimiter.sqlite.path": self.new_path,
            "Export.download_csv.path": self.new_path,
            "Fault.path": lambda: None,
            "payload": lambda: b"{}",
            "pending": list,
            "public_url": lambda: "https://app.example/hooks",
            "smart_agent_task_id": lambda: "run_1",
            "source": lambda: [ADA, GRACE],
            "task_id": lambda: "cl-task_1",
            "token": lambda: "0" * 64,
            "tool": lambda: "enrich_list",
            "url": lambda: "redis://127.0.0.1:1/0",
            "workflow_id": lambda: "wf_1",
        }


_REFUSED_WHEN_SANE: dict[str, type[CleanlistError]] = {
    "Export.download_csv": MalformedResponseError,  # there is no file at the address of the answer
    "JournalJob.resolve": JournalError,  # there is no chunk to resolve
}

_CLOSES = {"aclose", "drain", "purge"}


def constructors() -> list[type]:
    """Public classes that a user makes."""
    public = [getattr(cleanlist_async, name) for name in cleanlist_async.__all__ if name not in RESULTS]
    classes = [it for it in public if inspect.isclass(it) and not issubclass(it, BaseException)]
    return [*classes, OpenTelemetry, VirtualCleanlist, Sandbox, Shape, Fault]


def functions() -> list[Callable[..., Any]]:
    """Public functions: those of the integrations."""
    return [it for name in fastapi.__all__ if inspect.isfunction(it := getattr(fastapi, name))]


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Here]:
    """A client whose server agrees to everything, in a folder of its own, which is the current one."""
    server = AgreeableServer()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "a" / "b"
        folder.mkdir(parents=True)
        with chdir(folder):
            async with (
                MemoryNetwork(server) as network,
                VirtualCleanlist(network, rate_limits=FAST, store=folder / "store.db", **options) as client,
            ):
                here = Here(network, server, client, folder)
                async with here.store, await client.job(here.new_path(), [ADA, GRACE]) as here.job:
                    yield here


async def feed(*, every: int = 1) -> Fed:
    """Try every *every*-th odd argument, after each target with its sane ones."""
    fed, number = Fed(), 0
    async with opened() as here:
        for target in here.targets():
            await _check_sane(here, target)
            hints = hints_of(target.call)
            for parameter in target.parameters:
                for odd, make in ODD.items():
                    number += 1
                    if number % every == 0:
                        fed.tries += 1
                        fed.findings += await _try(
                            here, target, parameter, odd, make(), hints.get(parameter, Any)
                        )
    return fed


async def finish(here: Here, target: Target, **odd: object) -> None:
    """Call a target with sane arguments but for the *odd* ones, and take what it returns to its end."""
    await _finish(here, target, _call(target, **odd))


async def _check_sane(here: Here, target: Target) -> None:
    try:
        await finish(here, target)
    except CleanlistError as error:
        if type(error) is not _REFUSED_WHEN_SANE.get(target.name):
            raise AssertionError(
                f"{target.name} does not work with sane arguments: {error}"
                " Does `_sane` have the arguments, and tests/arguments/server.py an answer?"
            ) from error


async def _try(
    here: Here, target: Target, parameter: str, odd: str, value: object, hint: Any
) -> list[Finding]:
    def found(kind: Any, said: object) -> list[Finding]:
        return [Finding(kind, target.name, parameter, odd, str(said)[:300])]

    is_answered = not COMPLAINS_LATER.isdisjoint({target.name, f"{target.name}.{parameter}"})
    is_right = is_answered or fits(value, hint, parameter)
    before = here.server.requests
    try:
        with anyio.fail_after(_PATIENCE_S):
            await finish(here, target, **{parameter: value})
    except CleanlistError as error:
        local = isinstance(error, ConfigurationError) or _is_refused_here(error)
        if local and here.server.requests > before:
            return found("sent", error)
        is_file = is_right and "PathLike" in str(hint)
        is_left_out = is_right and value is None
        if parameter not in str(error) and not (is_file or is_left_out) and (not is_right or local):
            return found("unnamed", f"{type(error).__name__}: {error}")
    except OwnError as error:
        return [] if odd == "iterator that fails" else found("foreign", repr(type(error)))
    except TimeoutError:
        return found("hangs", "")
    except Exception as error:  # noqa: BLE001  # what is looked for
        return found("foreign", f"{type(error).__name__}: {error}")
    else:
        return [] if is_right else found("accepted", hint)
    finally:
        if inspect.iscoroutine(value):
            value.close()
    return []


def _is_refused_here(error: CleanlistError) -> bool:
    return isinstance(error, BadRequestError) and error.status is None


def _call(target: Target, **odd: object) -> object:
    arguments = target.arguments() | odd
    positional = [
        arguments.pop(p.name)
        for p in inspect.signature(target.call).parameters.values()
        if p.kind is inspect.Parameter.POSITIONAL_ONLY
    ]
    return target.call(*positional, **arguments)


async def _finish(here: Here, target: Target, outcome: object) -> None:
    """Take what a call returned to its end."""
    if isinstance(outcome, ResultStream):
        async with outcome:
            async for _ in outcome:
                pass
    elif isinstance(outcome, Awaitable):
        await _finish(here, target, await outcome)
    elif isinstance(outcome, Job | Store) or (isinstance(outcome, AsyncCleanlist) and not target.makes_twin):
        await outcome.aclose()
    elif isinstance(outcome, Contact):
        await here.client.plan([outcome])
        await here.client.enrich_one(outcome)
    elif inspect.isgenerator(outcome):
        list(outcome)
    elif inspect.isasyncgen(outcome):
        async for _ in outcome:
            pass
