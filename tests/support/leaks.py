"""Whether a secret shows: all that a log, a debugger or an error tracker could print of a thing."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Iterator
from pathlib import Path

import cleanlist_async

PACKAGE = str(Path(cleanlist_async.__file__).parent)


def forms(secret: str) -> set[str]:
    """A secret as it is, and as reprs, JSON and headers write it."""
    logins = (secret, f"user:{secret}")
    in_headers = {base64.b64encode(login.encode()).decode() for login in logins}
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], *in_headers}


def is_shown(text: str, secret: str) -> bool:
    return any(form in text for form in forms(secret))


def assert_hidden(text: str, secret: str) -> None:
    for form in forms(secret):
        assert form not in text


def chain_of(error: BaseException) -> list[BaseException]:
    """An exception and all that are linked to it, those too that a traceback leaves out."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and one not in found:
            found.append(one)
            todo += [one.__cause__, one.__context__, getattr(one, "answer", None)]
    return found


def shown(error: BaseException, *, foreign: bool = False) -> str:
    """All texts of an exception's chain, with the local variables of our frames, and of *foreign* ones too.

    Where the test itself holds the secret, its own frames are left out.
    """
    return "\n".join(text for one in chain_of(error) for text in texts_of(one, foreign=foreign))


def texts_of(error: BaseException, *, foreign: bool = False) -> Iterator[str]:
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    yield repr(getattr(error, "__notes__", ""))
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield from (str(frame.locals) for frame in report.stack if is_ours(frame.filename, foreign=foreign))
    trace = error.__traceback__
    while trace is not None:
        if is_ours(trace.tb_frame.f_code.co_filename, foreign=foreign):
            yield from (deep_text(value, 2) for value in trace.tb_frame.f_locals.values())
        trace = trace.tb_next


def is_ours(filename: str, *, foreign: bool) -> bool:
    tests = str(Path(__file__).parent.parent)
    return filename.startswith(PACKAGE) or (foreign and not filename.startswith(tests))


def deep_text(thing: object, depth: int = 6) -> str:
    """Every repr that can be reached through attributes and containers."""
    return "\n".join(deep_texts(thing, depth))


def deep_texts(thing: object, depth: int = 6) -> Iterator[str]:
    """The same, one by one."""
    seen: set[int] = set()
    todo = [(thing, depth)]
    while todo:
        one, left = todo.pop()
        if id(one) in seen or left < 0 or isinstance(one, type):
            continue
        seen.add(id(one))
        yield repr(one)
        parts = list(getattr(one, "__dict__", {}).values())
        if isinstance(one, dict):
            parts += [*one.keys(), *one.values()]
        if isinstance(one, list | tuple | set | frozenset):
            parts += list(one)
        todo += [(part, left - 1) for part in parts]
