"""Answers made to harm whoever reads them: as large, as deep and as odd as they can be and still be taken.

A server of its own process sends them, so that its work is not counted as the client's::

    python -m tests.hostile.answers      # prints its port

The path says which answer: ``/<case>/<list>/<bytes>/...`` is answered with *case*, whose items stand under
the name *list*, in a body that stays just below so many bytes. Below ``/flow/`` a submit is accepted first.
"""

from __future__ import annotations

import gzip
import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from itertools import islice, takewhile

from cleanlist_async import facts
from cleanlist_async.http.decode import most_values as most_values_of

IDS = [f"t_{number}" for number in range(250)]
ACCEPTED = {"workflow_id": "wf_1", "status": "processing", "task_ids": IDS, "total_contacts": 250}
KNOWN = {
    "workflow_id": "wf_1",
    "smart_agent_task_id": "wf_1",
    "status": "completed",
    "list_id": "l_1",
    "valid": True,
    "credits": 1,
    "quote_id": "q_1",
    "organization_id": "o_1",
    "download_url": "https://a.b",
    "added": 1,
    "removed": 1,
    "deleted": True,
    "company": {},
    "rows_imported": 1,
}
"""What makes an answer look like any operation's own."""
_HEAD = json.dumps(KNOWN).encode()[:-1]
_VALUES = facts.MAX_ANSWER_VALUES - 100
_STRANGER = " ".join(f"w{number:07}" for number in range(22))
_LONG = "é " * 990


def _object(**fields: object) -> bytes:
    return json.dumps(fields).encode()


REPEATED: dict[str, bytes] = {
    "empty objects": b"{}",
    "empty lists": b"[]",
    "zeros": b"0",
    "short texts": b'"clapi_x"',
    "small objects": _object(lead_id="a"),
    "fields of the wrong form": _object(lead_id={}, total="x", calls=[], tech_stack=3, created_at={}),
    "fractions": _object(total=1.5, calls=1.5, employee_count=0.5, processed=2.5),
    "long integers": b"9" * 4_300,
    "integers beyond 64 bits": b"9" * 30,
    "floats": b"1.2345678901234567e-300",
    "deep lists": b"[" * 150 + b"]" * 150,
    "deep objects": b'{"results":' * 90 + b"[]" + b"}" * 90,
    "escapes": b'"' + rb"\u00e9" * 1_000 + b'"',
    "full rows": _object(**{f"field_{number}": "a text, of words" for number in range(40)}, task_id="t_1"),
    "rows of one task": _object(task_id="t_0", status="completed", first_name="Ada", last_name="Lovelace0"),
    "rows of strangers": _object(task_id="t_1", status="completed", email="a@b.c", full_name=_STRANGER),
    "long echoes": _object(
        task_id="t_1", status="x" * 9, input=dict.fromkeys(("first_name", "email"), _LONG)
    ),
}
"""Items that come again and again."""

COUNTED: dict[str, tuple[int, bytes]] = {
    "1,000 rows of one task": (1_000, REPEATED["rows of one task"]),
    "250 rows of strangers": (250, REPEATED["rows of strangers"]),
    "1,000 rows of strangers": (1_000, REPEATED["rows of strangers"]),
    "250 long echoes": (250, REPEATED["long echoes"]),
    "10,000 items of the wrong form": (10_000, _object(lead_id={}, total="x")),
    "10,000 companies": (10_000, _object(name="a", domain=1.5, tech_stack=["a", 1.5])),
}
"""Items that come as often as they may."""

TEXTS: dict[str, bytes] = {
    "one long text": b"a",
    "one long text of tokens": b"eyJ",
    "one long text of wide letters": "é".encode(),
    "one long text that is an emoji in escapes": rb"\ud83d\ude00",
    "one long text of quotes": rb"\"",
    "one long text of blanks": b" ",
}


def _filled(items: Iterable[bytes], name: str, most_bytes: int, most_values: int) -> bytes:
    head = _HEAD + b',"%b":[' % name.encode()
    room = most_bytes - len(head) - 4

    def fits(item: bytes) -> bool:
        nonlocal room, most_values
        room -= len(item) + 1
        most_values -= most_values_of(item)
        return room > 0 and most_values > 0

    return head + b",".join(takewhile(fits, items)) + b"]}"


def _forever(item: bytes) -> Generator[bytes]:
    while True:
        yield item


def _named(number: int) -> bytes:
    return b'{"k%d":"v%d"}' % (number, number)


def listing(case: str, name: str, most_bytes: int) -> bytes:
    """Make the body of an answer that would be a good one."""
    if case in REPEATED:
        return _filled(_forever(REPEATED[case]), name, most_bytes, _VALUES)
    if case in COUNTED:
        return _filled([COUNTED[case][1]] * COUNTED[case][0], name, most_bytes, _VALUES)
    if case in TEXTS:
        unit = TEXTS[case]
        text = unit * ((most_bytes - len(_HEAD) - 100) // len(unit) // 2)
        return _HEAD + b',"%b":[{"task_id":"t_1","status":"%b","email":"%b"}]}' % (name.encode(), text, text)
    numbers = range(_VALUES)
    made: dict[str, Callable[[], bytes]] = {
        "new names in objects": lambda: _filled(map(_named, numbers), name, most_bytes, _VALUES),
        "new names in one object": lambda: (
            _HEAD
            + b',"x":1,'
            + b",".join(
                b'"k%d":"v%d"' % (n, n) for n in islice(numbers, min(_VALUES - 100, most_bytes // 18))
            )
            + b"}"
        ),
        "one name again and again": lambda: _HEAD + b',"a":1' * min(_VALUES, most_bytes // 7) + b"}",
        "not whole": lambda: _filled(_forever(b"{}"), name, most_bytes, _VALUES)[:-1],
        "quotes": lambda: b'"' * (most_bytes - 10),
        "letters of an id": lambda: b'"workflow_id":' * (most_bytes // 15),
        "not a number": lambda: _filled(_forever(b"NaN"), name, most_bytes, _VALUES),
        "half a letter": lambda: _HEAD + b',"a":"' + rb"\ud800" * ((most_bytes - 400) // 6) + b'"}',
    }
    return made[case]()


LISTINGS = (
    *(
        *REPEATED,
        *COUNTED,
        *TEXTS,
        "new names in objects",
        "new names in one object",
        "one name again and again",
    ),
    *("not whole", "quotes", "letters of an id", "not a number", "half a letter"),
)

_ERROR = 256_000


def _field_errors(count: int) -> bytes:
    one = {"type": "missing", "loc": ["body", "contacts", 7, "email"], "msg": "Field required", "input": {}}
    return json.dumps({"detail": [one] * count}).encode()


ERRORS: dict[str, Callable[[], tuple[int, bytes]]] = {
    "50,000 field errors": lambda: (422, _field_errors(50_000)),
    "field errors of nothing": lambda: (422, b'{"detail":[' + b"{}," * (_ERROR // 3) + b"{}]}"),
    "a path of 100,000 steps": lambda: (422, b'{"detail":[{"loc":[' + b"0," * 100_000 + b'0],"msg":"x"}]}'),
    "tokens without end": lambda: (500, _object(detail="eyJ" * (_ERROR // 3 - 10))),
    "8 MiB of tokens": lambda: (500, _object(detail="eyJ" * (8 << 20) + "x")),
    "tokens in parts": lambda: (500, _object(detail="eyJa." * (_ERROR // 5 - 10))),
    "a bearer of blanks": lambda: (500, b'{"detail":"bearer' + b" " * (_ERROR - 40) + b'"}'),
    "texts by the thousand": lambda: (400, b"[" + b'"clapi_x",' * (_ERROR // 10 - 3) + b"0]"),
    "blanks as text": lambda: (502, b" " * (_ERROR - 10)),
    "a page of text": lambda: (502, b"eyJa.b " * (_ERROR // 8)),
    "deep as can be": lambda: (500, b'{"a":' * 190 + b"[" + b"[]," * 70_000 + b"0]" + b"}" * 190),
    "new names": lambda: (409, b"{" + b",".join(b'"k%d":"v%d"' % (n, n) for n in range(14_000)) + b"}"),
    "a wait without end": lambda: (
        429,
        _object(detail={"retry_after_ms": 10**4_000, "details": ["x"] * 40_000}),
    ),
    "an error in a good answer": lambda: (200, _object(error={"code": "x", "details": ["eyJ"] * 30_000})),
}


def _http(status: int, body: bytes, *headers: bytes) -> bytes:
    fields = (b"Content-Type: application/json", b"Content-Length: %d" % len(body), *headers)
    return b"HTTP/1.1 %d X\r\n%b\r\n\r\n%b" % (status, b"\r\n".join(fields), body)


def _chunked(parts: Iterable[bytes]) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


_GOOD = json.dumps(KNOWN).encode()
_BOMB = gzip.compress(bytes(16 << 20), 1)
_DATE = b"Date: " + b"Sun, " * 5_000

TRANSFERS: dict[str, Callable[[], bytes]] = {
    "an id of 48 kB": lambda: _http(200, _GOOD, b"X-Request-Id: " + b"eyJ" * 16_000),
    "an id of 48 kB with an error": lambda: _http(500, b"", b"X-Request-Id: " + b"eyJ" * 16_000),
    "many headers": lambda: _http(200, _GOOD, *(b"a%d: b" % number for number in range(8_000))),
    "many headers of one name": lambda: _http(503, b"", *[b"Retry-After: 9"] * 5_000),
    "long dates": lambda: _http(429, b"{}", _DATE, b"Retry-After: " + b"Sun, 1 " * 9_000),
    "bytes one by one": lambda: _chunked(_GOOD[n : n + 1] for n in range(len(_GOOD))),
    "20,000 blanks one by one": lambda: _chunked([b" "] * 20_000 + [_GOOD]),
    "a bomb of zeros": lambda: _http(200, _BOMB, b"Content-Encoding: gzip"),
    "a bomb of an error": lambda: _http(500, _BOMB, b"Content-Encoding: gzip"),
    "64 MiB of objects": lambda: _http(200, _HEAD + b',"results":[' + b"{}," * ((64 << 20) // 3) + b"{}]}"),
    "500 answers before the answer": lambda: b"HTTP/1.1 100 X\r\n\r\n" * 500 + _http(200, _GOOD),
}

CASES = (*LISTINGS, *ERRORS, *TRANSFERS)


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        try:
            while self._answer():
                pass
        except (ConnectionError, ValueError):
            pass  # the client had enough

    def _answer(self) -> bool:
        target = self.rfile.readline().decode().split(" ")
        length = 0
        while (line := self.rfile.readline()) not in {b"\r\n", b""}:
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.rfile.read(length)
        if len(target) < 2:
            return False
        case, name, most_bytes, kind, *_ = target[1].strip("/").replace("%20", " ").split("/")
        if kind == "flow" and target[0] == "POST":
            self.wfile.write(_http(202, json.dumps(ACCEPTED).encode()))
        else:
            self.wfile.write(self.server.bytes_of(case, name, int(most_bytes)))  # type: ignore[attr-defined]
        return True


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    _last: tuple[tuple[object, ...], bytes] = ((), b"")
    _lock = threading.Lock()

    def bytes_of(self, case: str, name: str, most_bytes: int) -> bytes:
        with self._lock:
            asked = (case,) if case in TRANSFERS else (case, name, most_bytes)
            if self._last[0] != asked:
                self._last = (asked, self._made(case, name, most_bytes))
            return self._last[1]

    def _made(self, case: str, name: str, most_bytes: int) -> bytes:
        if case in TRANSFERS:
            return TRANSFERS[case]()
        if case in ERRORS:
            return _http(*ERRORS[case]())
        return _http(200, listing(case, name, most_bytes))


@contextmanager
def hostile_server() -> Generator[str]:
    """A server of hostile answers, in a process of its own: its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.answers"], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


if __name__ == "__main__":
    with _Server(("127.0.0.1", 0), _Handler) as listening:
        print(listening.server_address[1], flush=True)  # noqa: T201
        listening.serve_forever()
