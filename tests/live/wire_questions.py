"""Questions that the headers and the key answer, asked last: by then there is much to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cleanlist_async.cli.doctor.evidence import Observation
from cleanlist_async.cli.doctor.local import form_of
from cleanlist_async.redact import Secret
from cleanlist_async.types import JSON
from tests.live.question import Found, Question
from tests.live.session import LiveSession
from tests.live.shapes import header_names, member, name_of, parsed, shape

_REQUEST_ID: Final = re.compile(r"(?:request|correlation|trace|operation)[_-]?(?:id|parent)|^cf-ray$")
_LIMIT: Final = re.compile(r"rate-?limit|^retry-after$")


async def _request_ids(session: LiveSession) -> Found:
    seen = session.client.seen
    good = _matching((one for one in seen if one.status < 400), _REQUEST_ID)
    bad = _matching((one for one in seen if one.status >= 400), _REQUEST_ID)
    facts: dict[str, JSON] = {"of_successes": list(good), "of_refusals": list(bad)}
    both = sorted({*good, *bad})
    return Found(", ".join(both) or "no header carries one", facts)


async def _headers(session: LiveSession) -> Found:
    seen = session.client.seen
    limits = _matching(seen, _LIMIT)
    names = header_names(name for one in seen for name in one.headers)
    statuses = sorted({one.status for one in seen if one.status})
    facts: dict[str, JSON] = {
        "headers": list(names),
        "limit_headers": list(limits),
        "statuses": list(statuses),
        "requests": len(seen),
    }
    return Found(", ".join(limits) or "no header names a limit", facts)


async def _details(session: LiveSession) -> Found:
    shapes: list[JSON] = []
    for one in session.client.seen:
        error = member(parsed(one.body), "error") if one.status >= 400 else None
        if isinstance(error, dict) and (form := shape(error)) not in shapes:
            shapes.append(form)
    names = sorted({name_of(name) for form in shapes if isinstance(form, dict) for name in form})
    return Found(", ".join(names) or "no error envelope was seen", {"error_shapes": shapes})


def key_form(secret: Secret) -> Question:
    """Return the question what keys look like, which nothing is sent for."""

    async def ask(_session: LiveSession) -> Found:
        form, length = form_of(secret), len(secret.reveal())
        return Found(f"{form}, {length} characters", {"prefix": form, "characters": length})

    return Question("key-form", "What do keys look like?", "nothing", ask)


def _matching(seen: Iterable[Observation], pattern: re.Pattern[str]) -> list[str]:
    return header_names(name for one in seen for name in one.headers if pattern.search(name))


QUESTIONS: Final = (
    Question("request-id", "Which header carries a request id?", "nothing more", _request_ids),
    Question("headers", "Which headers name a limit?", "nothing more", _headers),
    Question("error-fields", "Which fields do errors have?", "nothing more", _details),
)
