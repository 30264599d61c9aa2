"""The server of the crash tests: the sandbox's operations behind a raw socket, with mishaps to order.

The bytes on the wire are its own, so it can stop at any of them. What it accepted is its ledger.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from cleanlist_async.sandbox import Sandbox
from cleanlist_async.testing import ServerRequest, ServerResponse
from tests.crash.mishaps import BY_NAME, Ending, Mishap
from tests.support.faulty_server import RESET_ON_CLOSE, Request, Wire
from tests.support.virtual_sandbox import _respond


class LedgerServer:
    """Listens on loopback in the running loop. ``mishaps`` maps "submit 0", "status 3" to a mishap's name."""

    def __init__(self, clock: Callable[[], float], *, webhooks: bool = True, **options: object) -> None:
        self.port = 0
        self.requests: list[str] = []
        self.accepted_bodies: dict[str, dict] = {}
        self.connections: set[socket.socket] = set()
        self.mishaps: dict[str, str] = {}
        self.struck: list[str] = []
        self.busy = 0
        self._clock = clock
        self._webhooks = webhooks
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task] = set()
        self._hook_lines: list[bytes] = []
        self._hook_news = asyncio.Event()
        self._counts: Counter[str] = Counter()
        self._options = {"workflow_s": 1.0, **options}
        self.sandbox = Sandbox(clock=clock, **self._options)

    def reset(self, mishaps: Mapping[str, str] | None = None, **options: object) -> None:
        """Begin anew, with nothing accepted."""
        self.sandbox = Sandbox(clock=self._clock, **{**self._options, **options})
        self.mishaps = dict(mishaps or {})
        self.requests, self.accepted_bodies, self.struck = [], {}, []
        self._hook_lines, self._counts = [], Counter()

    def arm(self, mishaps: Mapping[str, str]) -> None:
        """Let mishaps happen to requests to come."""
        self.mishaps = dict(mishaps)
        self._shut_before_next()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ledger(self) -> dict:
        """Return all that an auditor needs, as plain JSON."""
        accepted = [
            {
                "workflow_id": record.workflow_id,
                "contact": record.contact.get("first_name"),
                "credits": record.credits,
                "token": self._token_of(record.workflow_id),
            }
            for record in self.sandbox.ledger.accepted_contacts()
        ]
        return {"accepted": accepted, "requests": self.requests, "struck": self.struck}

    def _token_of(self, workflow_id: str) -> str:
        sent = self.accepted_bodies.get(workflow_id, {})
        return str(sent.get("webhook_url") or "").rpartition("/")[2]

    # -- sockets -------------------------------------------------------------------------------

    def listen(self) -> None:
        """Open the port; the same one again after `shut`."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listener.setblocking(False)  # noqa: FBT003
        self.port = self._listener.getsockname()[1]
        self._spawn(self._accept(self._listener))

    def shut(self) -> None:
        """Refuse connections from now on."""
        listener, self._listener = self._listener, None
        if listener is not None:
            asyncio.get_running_loop().remove_reader(listener.fileno())
            listener.close()

    async def aclose(self) -> None:
        """Close everything."""
        self.shut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def own_tasks(self) -> set[asyncio.Task]:
        return self._tasks

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while self._listener is listener:
            with suppress(OSError):
                connection, _ = await loop.sock_accept(listener)
                if self._strikes_connection():
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                    connection.close()
                    continue
                self._spawn(self._serve(connection))

    def _strikes_connection(self) -> bool:
        for place, name in list(self.mishaps.items()):
            kind, _, number = place.partition(" ")
            if BY_NAME[name].connection == "reset" and self._counts[kind] == int(number):
                del self.mishaps[place]
                self.struck.append(place)
                return True
        return False

    async def _serve(self, connection: socket.socket) -> None:
        self.connections.add(connection)
        try:
            with connection, suppress(ConnectionError):
                await self._converse(connection)
        finally:
            self.connections.discard(connection)

    async def _converse(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        while (request := await wire.receive_request(0)) is not None:
            if request.target == "/hooks":
                self.connections.discard(connection)  # it stays open, and nothing is bought over it
                await self._tell_hooks(connection)
                return
            self.busy += 1
            try:
                mishap, raw = await self._carry_out(request)
            finally:
                self.busy -= 1
            await wire.play([raw] if mishap is None else mishap.pieces(raw))
            if mishap is not None and not await self._keeps(connection, mishap.ending):
                return

    async def _carry_out(self, asked: Request) -> tuple[Mishap | None, bytes]:
        method, headers, body = asked.method, asked.headers, asked.body
        parts = urlsplit(asked.target)
        kind = kind_of(method, parts.path)
        place = f"{kind} {self._counts[kind]}"
        self._counts[kind] += 1
        self.requests.append(place)
        mishap = BY_NAME[self.mishaps.pop(place)] if place in self.mishaps else None
        if mishap is not None and mishap.connection:
            mishap = None  # it comes too late for this request's connection
        elif mishap is not None:
            self.struck.append(place)
        self._shut_before_next()
        if mishap is not None and not mishap.executes:
            return mishap, b""
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        target = f"{parts.path}?{parts.query}"
        request = ServerRequest(method, unquote(parts.path), query, headers, body, self._clock(), target)
        answer = await _respond(self.sandbox, request)
        if kind == "submit" and answer.status < 300:
            self._note_acceptance(body, answer)
        return mishap, _render(answer)

    def _note_acceptance(self, body: bytes, answer: ServerResponse) -> None:
        workflow_id, sent = json.loads(answer.body).get("workflow_id"), json.loads(body)
        self.accepted_bodies[workflow_id] = {key: value for key, value in sent.items() if key != "contacts"}
        url = sent.get("webhook_url") if isinstance(sent, dict) else None
        if url and self._webhooks:
            payload = {"event": "enrichment.completed", "workflow_id": workflow_id, "status": "completed"}
            self._hook_lines.append(f"{url.rpartition('/')[2]} {json.dumps(payload)}\n".encode())
            self._hook_news.set()

    def _shut_before_next(self) -> None:
        """Refuse the next connection, if a mishap wants that: it opens again a moment later."""
        for place, name in list(self.mishaps.items()):
            kind, _, number = place.partition(" ")
            if BY_NAME[name].connection == "refuse" and self._counts[kind] == int(number):
                del self.mishaps[place]
                self.struck.append(place)
                self.shut()
                asyncio.get_running_loop().call_later(0.2, self.listen)

    async def _tell_hooks(self, connection: socket.socket) -> None:
        """Deliver every webhook over this connection, those of before again: at least once."""
        told = 0
        while True:
            self._hook_news.clear()
            for line in self._hook_lines[told:]:
                await asyncio.get_running_loop().sock_sendall(connection, line)
                told += 1
            await self._hook_news.wait()

    async def _keeps(self, connection: socket.socket, ending: Ending) -> bool:
        if ending == "hang":
            await asyncio.get_running_loop().sock_recv(connection, 1)  # until the client has enough
        if ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        return ending == "keep"


def kind_of(method: str, path: str) -> str:
    """Name a request: a submit spends credits, a status waits for it."""
    if method == "POST" and path.endswith(("/enrich/bulk", "/csv-import")):
        return "submit"
    return "status" if method == "GET" and "/enrich" in path else "other"


def _render(answer: ServerResponse) -> bytes:
    reason = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in answer.headers)]
    lines.append(f"content-length: {len(answer.body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + answer.body
