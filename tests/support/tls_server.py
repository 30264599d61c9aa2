"""A server with a certificate that nobody trusts yet, and a proxy that leads to it."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import which

import pytest

from tests.support.tcp_server import tcp_server

HOST = "api.cleanlist.example"
needs_openssl = pytest.mark.skipif(which("openssl") is None, reason="needs openssl")

AnswerOf = Callable[[str, int], Sequence[bytes]]
"""The TLS records to answer with, by the target of a request and the number of its connection."""


def make_certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """Make a certificate for *names* and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={names[0]}"),
            *("-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@asynccontextmanager
async def over_tls(folder: Path, answer_of: AnswerOf, *names: str) -> AsyncIterator[tuple[int, Path]]:
    """A server whose answers are TLS records: its port, and the certificate to trust."""
    certificate, key = make_certificate(folder, *(names or ("localhost",)))
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    here.load_cert_chain(certificate, key)
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        number, connections = connections, connections + 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            for record in answer_of(head.split(b" ")[1].decode(), number):
                writer.write(record)  # one record each, and all of them in one piece of TCP
            await writer.drain()

    async with tcp_server(converse, tls=here) as port:
        yield port, certificate


@asynccontextmanager
async def tunnel_to(port: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that leads every CONNECT to *port*: its address, and the heads of the requests it saw."""
    heads: list[bytes] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while received := await reader.read(65_536):
                writer.write(received)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        onward = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Established\r\n\r\n")
        await asyncio.gather(copy(reader, onward[1]), copy(onward[0], writer))

    async with tcp_server(serve) as proxy_port:
        yield f"http://127.0.0.1:{proxy_port}", heads
