"""Receives the webhooks of a job while it runs: ``--listen HOST:PORT``, behind the public address."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import anyio

from cleanlist_async.checks import with_extras
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode

if TYPE_CHECKING:
    from starlette.requests import Request

    from cleanlist_async.webhooks.receiver import WebhookReceiver

_HIGHEST_PORT: Final = 65_535


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port. Raises CommandError for anything but HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _HIGHEST_PORT:
        raise CommandError("--listen takes HOST:PORT, for example 127.0.0.1:8788.", ExitCode.USAGE)
    # An IPv6 address stands in brackets.
    return host.strip("[]"), int(port)


@asynccontextmanager
async def listening(
    receiver: WebhookReceiver | None, address: tuple[str, int] | None
) -> AsyncGenerator[None]:
    """Pass what is posted to ``/.../<token>`` to the receiver. Without an address it does not listen."""
    if address is None:
        yield
        return
    try:
        from starlette.applications import Starlette  # its packages are an extra
        from starlette.responses import Response
        from starlette.routing import Route
        from uvicorn import Config, Server
    except ImportError as missing:
        raise CommandError(
            f"--listen needs more packages: {with_extras('cli', 'sandbox')}.", ExitCode.USAGE
        ) from missing

    class QuietServer(Server):
        """Leaves signals to the command."""

        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

    async def receive(request: Request) -> Response:
        if receiver is None:  # a job without webhooks
            return Response(status_code=404)
        # The token is the last part of the path, whatever a proxy put before it.
        token = request.path_params["path"].rpartition("/")[2]
        answer = await receiver.receive(token, request.headers.get("content-type"), request.stream())
        return Response(status_code=answer.status)

    app = Starlette(routes=[Route("/{path:path}", receive, methods=["POST"])])
    # Its access log would show the tokens in the addresses.
    server = QuietServer(Config(app, log_config=None, access_log=False, lifespan="off"))
    # Bound before anything is submitted: a port in use is reported while it costs nothing.
    with _bound(address) as bound:
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [bound])
            try:
                yield
            finally:
                # Not cancelled, so that a webhook which is being received is still answered.
                server.should_exit = True


def _bound(address: tuple[str, int]) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        return socket.create_server(address, family=family)
    except OSError as refusal:
        raise CommandError(
            f"cannot listen on {address[0]}:{address[1]} ({refusal.strerror}).", ExitCode.USAGE
        ) from refusal
