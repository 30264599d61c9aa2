"""Kinds of faults: what becomes of a request, byte by byte, and what a submit that met it must come to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Ending = Literal["keep", "fin", "reset", "hang"]
Fate = Literal["done", "unknown", "again", "refused", "pause"]
"""Of a chunk whose submit met the fault, when the run ends: bought by this very attempt; unknown; bought by a
later attempt; refused as it stands; still planned, and the job stopped."""


@dataclass(frozen=True)
class Mishap:
    """One kind of fault.

    `executes` says whether the server carries the request out. `pieces` turns the true answer into the bytes
    and pauses (virtual seconds) that are played instead. `submit` is the fate of a chunk; `stops` says
    whether a status request that meets it stops the run.
    """

    name: str
    submit: Fate
    executes: bool = True
    pieces: Callable[[bytes], list[bytes | float]] = lambda raw: [raw]
    ending: Ending = "keep"
    stops: bool = False
    connection: Literal["", "refuse", "reset"] = ""


def head_and_body(raw: bytes) -> tuple[bytes, bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return head, body


def answer(
    status: int, body: bytes, kind: str = "application/json", length: int | None = None, **headers: str
) -> bytes:
    fields = {"content-type": kind, "content-length": str(len(body) if length is None else length)}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Mishap", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def with_body(change: Callable[[bytes], bytes], status: int = 200, **headers: str):
    """Keep the server's answer but for its body and headers."""
    return lambda raw: [answer(status, change(head_and_body(raw)[1]), **headers)]


def drip(raw: bytes, size: int, pause_s: float) -> list[bytes | float]:
    return [piece for at in range(0, len(raw), size) for piece in (pause_s, raw[at : at + size])]


def cut(where: Callable[[bytes], int]):
    return lambda raw: [raw[: where(raw)]]


def body_cut(share: float):
    return cut(lambda raw: len(raw) - int(len(head_and_body(raw)[1]) * (1 - share)))


def said(status: int, kind: Literal["detail", "error", "html", "empty", "json"], **more: object):
    """Answer *status* in one of the two documented forms, or as a proxy would."""
    code = str(more.pop("code", "mishap"))
    body = {
        "detail": json.dumps({"detail": f"mishap {status}"}).encode(),
        "error": json.dumps({"error": {"code": code, "message": "mishap", **more}}).encode(),
        "html": b"<html><body><h1>mishap</h1></body></html>",
        "empty": b"",
        "json": b'{"mishap": true}',
    }[kind]
    return lambda _raw: [answer(status, body, "text/html" if kind == "html" else "application/json")]


def _other(change: Callable[[dict[str, object]], object]):
    return with_body(lambda body: json.dumps(change(json.loads(body))).encode())


def _stacked(body: bytes) -> bytes:
    return gzip.compress(gzip.compress(body))


def _words(status: int) -> list[Mishap]:
    """4xx in the API's own words, which prove that nothing was accepted, and in somebody else's."""
    fate: Fate = "pause" if status in {401, 402, 403} else "refused"
    stops = True
    own = [
        Mishap(f"{status} {form}", fate, executes=False, pieces=said(status, form), stops=stops)
        for form in ("detail", "error")
    ]
    return [
        *own,
        Mishap(f"{status} html", "unknown", executes=True, pieces=said(status, "html"), stops=stops),
    ]


ALL: list[Mishap] = [
    # the network
    Mishap("refused connection", "again", executes=False, connection="refuse"),
    Mishap("reset on connect", "unknown", executes=False, connection="reset"),
    Mishap("reset before", "unknown", executes=False, pieces=lambda _raw: [], ending="reset"),
    Mishap("reset after", "unknown", pieces=lambda _raw: [], ending="reset"),
    Mishap("fin before", "unknown", executes=False, pieces=lambda _raw: [], ending="fin"),
    Mishap("fin after", "unknown", pieces=lambda _raw: [], ending="fin"),
    Mishap("stall before", "unknown", executes=False, pieces=lambda _raw: [], ending="hang"),
    Mishap("stall after", "unknown", pieces=lambda _raw: [], ending="hang"),
    Mishap("stall in the body", "done", pieces=body_cut(0.9), ending="hang"),
    Mishap("slow drip", "done", pieces=lambda raw: drip(raw, 64, 0.2)),
    Mishap("late answer", "done", pieces=lambda raw: [20.0, raw]),
    Mishap("answer too late", "unknown", pieces=lambda raw: [700.0, raw]),
    # cut answers
    Mishap("cut in the status line", "unknown", pieces=cut(lambda _raw: 7), ending="fin"),
    Mishap("cut in the headers", "unknown", pieces=cut(lambda raw: raw.index(b"\r\n") + 9), ending="reset"),
    Mishap(
        "cut after the headers", "unknown", pieces=cut(lambda raw: raw.index(b"\r\n\r\n") + 4), ending="fin"
    ),
    Mishap("cut at 5 % of the body", "unknown", pieces=body_cut(0.05), ending="reset"),
    Mishap("cut at 90 % of the body", "done", pieces=body_cut(0.9), ending="fin"),
    Mishap("cut before the last byte", "done", pieces=cut(lambda raw: len(raw) - 1), ending="reset"),
    Mishap("whole, then reset", "done", ending="reset"),
    Mishap("whole, then fin", "done", ending="fin"),
    Mishap("twice", "done", pieces=lambda raw: [raw + raw]),
    Mishap("length too small", "unknown", pieces=lambda raw: [answer(200, head_and_body(raw)[1], length=5)]),
    Mishap(
        "length too large", "done", pieces=lambda raw: [raw.replace(b"length: ", b"length: 9")], ending="fin"
    ),
    # odd answers
    Mishap("gzip", "done", pieces=with_body(gzip.compress, content_encoding="gzip")),
    Mishap("gzip twice", "unknown", pieces=with_body(_stacked, content_encoding="gzip, gzip"), stops=True),
    Mishap(
        "gzip that is none",
        "unknown",
        pieces=with_body(lambda _b: b"\x1f\x8b\x08 no", content_encoding="gzip"),
        stops=True,
    ),
    Mishap("gzip cut", "unknown", pieces=with_body(lambda b: gzip.compress(b)[:20], content_encoding="gzip")),
    Mishap("brotli", "unknown", pieces=with_body(lambda b: b, content_encoding="br"), stops=True),
    Mishap("100 before", "done", pieces=lambda raw: [b"HTTP/1.1 100 Continue\r\n\r\n" + raw]),
    Mishap("103 before", "done", pieces=lambda raw: [b"HTTP/1.1 103 Early Hints\r\n\r\n" + raw]),
    Mishap("100 only", "unknown", pieces=lambda _raw: [b"HTTP/1.1 100 Continue\r\n\r\n"], ending="fin"),
    Mishap("no HTTP", "unknown", pieces=lambda _raw: [b"\x16\x03\x01\x00\xa5SSH-2.0\r\n\r\n"], ending="fin"),
    Mishap("302", "unknown", pieces=lambda _raw: [answer(302, b"", location="/login")], stops=True),
    Mishap(
        "307",
        "pause",
        executes=False,
        pieces=lambda _raw: [answer(307, b"", location="/elsewhere")],
        stops=True,
    ),
    Mishap("200 html", "unknown", pieces=lambda _raw: [answer(200, b"<html>welcome</html>", "text/html")]),
    Mishap("200 empty", "unknown", pieces=lambda _raw: [answer(200, b"")]),
    Mishap("204", "unknown", pieces=lambda _raw: [b"HTTP/1.1 204 No Content\r\n\r\n"]),
    Mishap("200 null", "unknown", pieces=lambda _raw: [answer(200, b"null")]),
    Mishap("200 deep", "unknown", pieces=lambda _raw: [answer(200, b"[" * 100_000)]),
    Mishap("200 without a workflow", "unknown", pieces=_other(lambda said: {**said, "workflow_id": None})),
    Mishap("unknown word", "done", pieces=_other(lambda o: {**o, "extra": {"a": [1]}, "message": 7})),
    Mishap("not UTF-8", "done", pieces=with_body(lambda b: b[:-1] + b', "x": "\xff"}')),
    Mishap("huge", "unknown", pieces=lambda _raw: [answer(200, b" " * 3_000_000)]),
    # the server
    Mishap(
        "429 error", "again", executes=False, pieces=said(429, "error", retryable=True, retry_after_ms=1500)
    ),
    Mishap("429 html", "again", executes=False, pieces=said(429, "html")),
    *_words(400),
    *_words(401),
    *_words(402),
    *_words(403),
    *_words(422),
    Mishap("405 error", "refused", executes=False, pieces=said(405, "error"), stops=True),
    Mishap("415 detail", "unknown", executes=False, pieces=said(415, "detail"), stops=True),
    Mishap("400 internal", "unknown", pieces=said(400, "error", code="internal_error")),
    Mishap("408 detail", "unknown", pieces=said(408, "detail")),
    Mishap("409 error", "unknown", pieces=said(409, "error", code="conflict"), stops=True),
    Mishap("425 html", "unknown", pieces=said(425, "html")),
    Mishap("499 empty", "unknown", pieces=said(499, "empty"), stops=True),
    Mishap(
        "400 already redeemed",
        "unknown",
        pieces=said(400, "error", code="quote_already_redeemed"),
        stops=True,
    ),
    Mishap("500 detail", "unknown", pieces=said(500, "detail")),
    Mishap("500 error retryable", "unknown", pieces=said(500, "error", code="internal", retryable=True)),
    Mishap("500 not executed", "unknown", executes=False, pieces=said(500, "json")),
    Mishap("502 html", "unknown", pieces=said(502, "html")),
    Mishap("503 html", "unknown", executes=False, pieces=said(503, "html")),
    Mishap("504 empty", "unknown", pieces=said(504, "empty")),
]
BY_NAME = {mishap.name: mishap for mishap in ALL}
