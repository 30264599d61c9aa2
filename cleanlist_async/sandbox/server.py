"""The sandbox: a server on a real socket that behaves like Cleanlist."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, Unpack

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.routing import Route
from uvicorn.config import Config
from uvicorn.server import ServerState

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import DEFAULT_BASE_URL

from . import answers
from .app import App, Dispatcher
from .clock import Agenda
from .gate import FaultPlan, Gate, Keyring
from .ledger import Account, ContactLike, Ledger
from .limits import Limits
from .modern import Modern
from .modern.export import FILE_PATH
from .options import Fault, Options
from .people import Expected, expected_by
from .public_api import PublicApi
from .responses import Envelopes
from .webhooks import WebhookSender
from .wire import Connection
from .workflows import Workflow, Workflows

if TYPE_CHECKING:
    from cleanlist_async.client import AsyncCleanlist
    from cleanlist_async.runtime.base_client import ClientOptions

SETTLE_STEP_S: Final = 0.005
TURNS_TO_CLOSE: Final = 5
"""Turns of the event loop in which connections just accepted come up, and go."""


class Sandbox(Options):
    """A Cleanlist server for tests and demonstrations: real HTTP, exact limits, a ledger, faults on demand.

    ::

        async with Sandbox(window_s=1.0) as sandbox:
            ...  # sandbox.base_url, sandbox.api_key
        assert not sandbox.ledger.duplicates()

    Options: see :class:`Options`. Needs the extra ``sandbox``.
    """

    base_url = ""  # shown by repr, which a traceback may ask for in the middle of __init__

    def __post_init__(self) -> None:
        """Build everything but the socket. Raises ConfigurationError for options that cannot work."""
        super().__post_init__()
        self._ledger = Ledger(on_read=self._advance)
        # One for both surfaces, which spend the same credits.
        self._account = Account(self.credits, self._ledger)
        self._agenda = Agenda(self.clock)
        self._workflows = Workflows(self, self._account, self._ledger, self._agenda)
        self._modern = Modern(
            self,
            self._account,
            self._ledger,
            self._agenda,
            default_list_id=self._workflows.lead_list_id,
            # The address is known only once the port is open.
            base_url=lambda: self.base_url or DEFAULT_BASE_URL,
        )
        self._keyring = Keyring(self)
        self._fault_plan = FaultPlan(self.faults)
        self.webhooks = WebhookSender(self, self._ledger, self._webhook_payload)
        self._envelopes = Envelopes(self.envelope, self.limit_429, self.seed)
        self.own_app = self._build_app()
        self._all = (self, *_unstarted(self.organizations))
        self.app = Dispatcher(*self._all)
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._webhook_tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        """Show the address; never a credential."""
        return f"<Sandbox {self.base_url or 'not started'}>"

    # -- running --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start; raises OSError if the port is taken."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.aclose()

    async def start(self) -> None:
        """Listen, and set ``base_url``. Raises OSError if the port is taken."""
        listener = _listener(self.host, self.port)
        # The port that the system chose, where 0 was asked for.
        self.port = listener.getsockname()[1]
        host = f"[{self.host}]" if ":" in self.host else self.host
        for organization in self._all:
            organization.base_url = f"http://{host}:{self.port}"
        config = Config(
            self.app,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            # How logging is set up is for the program around it to decide.
            log_config=None,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=self.keep_alive_s,
        )
        config.load()
        loop = asyncio.get_running_loop()
        # uvicorn's own Server would take the signals, which belong to the program around it.
        self._server = await loop.create_server(
            lambda: Connection(config, self._state, {}), sock=listener, backlog=2048
        )
        self._webhook_tasks = [loop.create_task(one.webhooks.run()) for one in self._all]

    async def aclose(self) -> None:
        """Close the port and every connection at once; what is being answered is given up."""
        server, webhooks = self._server, self._webhook_tasks
        self._server, self._webhook_tasks = None, []
        if server is None:
            return
        # A cancelled test must not leave the port open.
        with anyio.CancelScope(shield=True):
            # asyncio leaves a connection open that it accepted in the turn before the server is closed.
            for listener in server.sockets:
                with suppress(NotImplementedError):  # the loop of Windows
                    asyncio.get_running_loop().remove_reader(listener.fileno())
            await asyncio.sleep(0)
            server.close()
            for task in webhooks:
                task.cancel()
            await self._drop_connections()
            # Only now: uvicorn logs an error when a request ends without an answer on a live connection.
            for organization in self._all:
                organization.own_app.stop()
            await asyncio.wait([*webhooks, *self._state.tasks])
            await server.wait_closed()
        for task in webhooks:
            if not task.cancelled():
                # An error that ended it early would otherwise never be seen.
                task.result()

    async def _drop_connections(self) -> None:
        for _ in range(TURNS_TO_CLOSE):
            for connection in list(self._state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)

    async def serve_forever(self, started: Callable[[Sandbox], None] | None = None) -> None:
        """Run until cancelled; ``started`` is called once the port is open."""
        async with self:
            if started:
                started(self)
            await anyio.sleep_forever()

    # -- inspecting and changing -----------------------------------------------------------------

    @property
    def api_key(self) -> str:
        """The first key (or session token, if there is no key)."""
        return (*self.api_keys, *self.jwts)[0]

    @property
    def ledger(self) -> Ledger:
        """What happened, with the charges as of now."""
        self._advance()
        return self._ledger

    @property
    def balance(self) -> float:
        """Credits that the organization has now."""
        self._advance()
        return self._account.balance

    def set_credits(self, credits_: float) -> None:
        """Set the balance; what running workflows hold stays held."""
        self._advance()
        self._account.balance = credits_

    def add_fault(self, fault: Fault) -> None:
        """Arm a fault; it counts requests from now on."""
        self.faults = (*self.faults, fault)
        self._fault_plan.add(fault)

    def clear_faults(self) -> None:
        """Disarm every fault."""
        self.faults = ()
        self._fault_plan.clear()

    def revoke(self, credential: str) -> None:
        """Refuse a key or session token from now on."""
        self._keyring.revoke(credential)

    def expected(self, contact: ContactLike, enrichment_type: str) -> Expected:
        """Return what this sandbox answers and charges for a contact."""
        return expected_by(self, contact, enrichment_type)

    def client(self, **options: Unpack[ClientOptions]) -> AsyncCleanlist:
        """Return a client of this server with its keys and limits, and with options of `AsyncCleanlist`.

        Raises ConfigurationError before the server is started.
        """
        from .client import client_of  # noqa: PLC0415  # the server itself shares nothing with the client

        return client_of(self, self.base_url, options)

    async def settle(self) -> None:
        """Wait until every workflow is finished and charged, and every webhook delivered or given up.

        Waits for the sandbox's own clock: one that a test moves has to be moved meanwhile.
        """
        while not all(one.is_settled for one in self._all):  # noqa: ASYNC110 - no event tells of a clock
            await anyio.sleep(SETTLE_STEP_S)

    def holds_file(self, path: str) -> bool:
        """Whether a path is that of a file that this organization has exported."""
        return self._modern.files.holds(path)

    @property
    def is_settled(self) -> bool:
        """Whether all workflows of this organization are finished, and all webhooks delivered or given up."""
        self._advance()
        return self._agenda.settled and self.webhooks.idle

    def _advance(self) -> None:
        self._agenda.advance()

    def _webhook_payload(self, workflow: Workflow) -> bytes:
        now = self._agenda.advance()
        return answers.webhook_payload(workflow, self.shape, self._workflows.lead_list_id, now)

    def _build_app(self) -> App:
        limits = Limits(
            self.limiter,
            org_limit=self.org_limit,
            key_limit=self.key_limit,
            window_s=self.window_s,
            count_rejected=self.count_rejected,
        )
        gate = Gate(self, self._keyring, limits, self._fault_plan)
        public_api = PublicApi(
            self, self._agenda, self._account, self._workflows, self.webhooks, self._ledger
        )
        routes = [
            Route(path, gate.guard(operation, of_surface), methods=[method])
            for operations, of_surface in (
                (public_api.operations(), self._envelopes),
                (self._modern.operations(), self._modern.envelopes),
            )
            for method, path, operation in operations
        ]
        # Without the gate: a signed address takes no key, and counts on no limit.
        routes.append(Route(FILE_PATH, self._modern.files.download, methods=["GET"]))
        return App(routes, self._envelopes_of, self._ledger, self.clock)

    def _envelopes_of(self, path: str) -> Envelopes:
        return self._modern.envelopes if self._modern.owns(path) else self._envelopes


def _unstarted(organizations: Sequence[Options]) -> tuple[Sandbox, ...]:
    sandboxes = tuple(one for one in organizations if isinstance(one, Sandbox) and not one.organizations)
    if len(sandboxes) < len(organizations):
        raise ConfigurationError("organizations must be sandboxes, which have no others in them.")
    return sandboxes


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # Connections inherit it; asyncio does not set it here, and a body would wait 40 ms for its header's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class ThreadedSandbox(Sandbox):
    """A :class:`Sandbox` that runs in a thread: ``with ThreadedSandbox(workflow_s=0.1) as sandbox: ...``.

    Its methods may be called from any thread. It takes the options of :class:`Sandbox`.
    """

    def __post_init__(self) -> None:
        """Refuse options that cannot work. Raises ConfigurationError."""
        self._portal: BlockingPortal | None = None
        self._thread = 0
        self._running = ExitStack()
        super().__post_init__()

    def __enter__(self) -> Self:
        """Start; raises OSError if the port is taken."""
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal())
            self._thread = self._portal.call(threading.get_ident)
            stack.enter_context(self._portal.wrap_async_context_manager(self))
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._running.close()
        self._portal = None

    def _advance(self) -> None:
        # In the thread of the server, whose requests change the same workflows.
        if self._portal is None or threading.get_ident() == self._thread:
            super()._advance()
        else:
            self._portal.call(super()._advance)
