"""Decodes the bytes of an answer to a value or a typed error. Pure: no I/O, and `now` is an argument.

The body decides, never the path: both documented envelopes occur under one prefix
(docs.cleanlist.ai/api-reference/errors and mcp-api/errors), as do FastAPI's lists, the HTML of a gateway and
empty bodies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice, pairwise
from typing import Final, Literal, NamedTuple, cast

from cleanlist_async import errors, facts
from cleanlist_async.errors import APIError, FieldError, RequestValidationError
from cleanlist_async.http import error_codes
from cleanlist_async.redact import one_line, scrub, scrub_json
from cleanlist_async.types import JSON

_REQUEST_ID_HEADERS: Final = (
    re.compile(r"(?:^|-)(?:request|correlation)-?id$", re.IGNORECASE),
    re.compile(r"(?:^|-)trace-?id$|^cf-ray$", re.IGNORECASE),  # a gateway's own, if there is no better
)
# Bounded, as everything that is searched here: the text comes from the network.
_ID: Final = rb"([A-Za-z0-9_.:-]{1,128})"
_WORKFLOW_ID: Final = re.compile(
    rb'"(?:workflow_id|smart_agent_task_id)"\s*:\s*"%b"|/enrichment/status/%b["?#/]' % (_ID, _ID)
)
# Not float(), which also reads "inf", "nan", "1_000" and digits of other scripts.
_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{1,3})?", re.ASCII)
_LONGEST_BODY_TEXT: Final = 2_000
_LONGEST_DATE: Final = 100
_LONGEST_TEXT_READ: Final = 100_000
_LONGEST_WAIT_BY_OUR_CLOCK_S: Final = 120.0
_LONGEST_WAIT_S: Final = 1e9
_DEEPEST_LOC: Final = 20
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
# 408 and 425 invite the same request again (RFC 9110, RFC 8470); what a 501 lacks, it lacks later too.
_RETRYABLE_STATUSES: Final = {408: True, 425: True, 501: False}


def parse_json(body: bytes, *, is_cut: bool = False) -> JSON:
    """Decode *body*. Raises ValueError if it is not JSON, or holds NaN, endless nesting or too many values.

    If it *is_cut*, the values that arrived whole are returned.
    """
    from pydantic_core import from_json

    if has_too_many_values(body):
        raise ValueError("more values than an answer has")
    # A few names that recur are worth caching. For a hundred thousand different ones, the lookups take longer
    # than making the strings.
    cached: Literal["keys", "none"] = "keys" if len(body) <= facts.LARGE_ANSWER_BYTES else "none"
    return cast("JSON", from_json(body, allow_inf_nan=False, cache_strings=cached, allow_partial=is_cut))


def most_values(body: bytes) -> int:
    """Return how many JSON values *body* can hold at most, an object or list counted as two more.

    They take more memory and time than a text does. A comma within a text counts as one between values.
    """
    return 1 + body.count(b",") + 2 * (body.count(b"{") + body.count(b"["))


def has_too_many_values(body: bytes) -> bool:
    """Whether *body* would take too much memory. Counting takes a quarter of the time of decoding."""
    return len(body) > facts.LARGE_ANSWER_BYTES and most_values(body) > facts.MAX_ANSWER_VALUES


def is_large(body: bytes, *, of_models: bool) -> bool:
    """Whether reading *body* would block the event loop for too long; *of_models* takes far longer."""
    if len(body) > facts.LARGE_ANSWER_BYTES:
        return True
    return of_models and len(body) > facts.LARGE_ANSWER_VALUES < most_values(body)


def salvage_workflow_id(body: bytes) -> str | None:
    """Find a workflow id in a body that cannot be read otherwise: it may have been paid for.

    The id of a smart agent's run counts too, and so does an id at the end of the address to poll.
    """
    found = _WORKFLOW_ID.search(body, 0, facts.MAX_SUBMIT_ANSWER_BYTES)
    return (found.group(1) or found.group(2)).decode() if found else None


def retry_after_s(headers: Mapping[str, str], retry_after_ms: JSON, now: datetime) -> float | None:
    """Return the seconds that the server asks us to wait: the larger of header and body, or None.

    The header holds whole seconds or an HTTP date, the body milliseconds (docs.cleanlist.ai/mcp-api/errors);
    *headers* has lower-case names. Anything else counts as silence, as does a wait that is not positive, not
    finite or longer than 30 years.
    """
    waits = [_header_seconds(headers, now), _milliseconds(retry_after_ms)]
    return max((wait for wait in waits if wait is not None and 0 < wait < _LONGEST_WAIT_S), default=None)


def _milliseconds(value: JSON) -> float | None:
    if isinstance(value, str) and _SECONDS.fullmatch(value.strip()):
        return float(value) / 1000
    number = _number(value)
    return number / 1000 if number is not None and abs(number) < 1000 * _LONGEST_WAIT_S else None


def _header_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    text = headers.get("retry-after", "").strip()
    fields = text.split(", ")  # of a header that came several times
    if all(map(_SECONDS.fullmatch, fields)):
        return max(map(float, fields))
    until, sent = _http_date(text[:_LONGEST_DATE]), _http_date(headers.get("date", "")[:_LONGEST_DATE])
    if until is None:
        return None
    if sent is not None:
        return (until - sent).total_seconds()
    # By our clock, which may be off by more than the wait. If this is too short, the server says so again.
    return min((until - now).total_seconds(), _LONGEST_WAIT_BY_OUR_CLOCK_S)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def holds_error(answer: JSON) -> bool:
    """Whether an answer with a 2xx status is nevertheless an ``error`` envelope.

    A task that failed may carry an ``error`` of its own: that is a row, and has the id of its task.
    """
    if not isinstance(answer, dict) or "task_id" in answer or "workflow_id" in answer:
        return False
    return _is_error(answer.get("error"))


def decode_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    method: str,
    path: str,
    now: datetime,
    is_cut: bool = False,
) -> APIError:
    """Turn an error answer of any shape, whole or cut, into the typed error it means."""
    content = _content(body, is_cut=is_cut)
    envelope, said = _envelope(content)
    is_bare = envelope == "none" and not (is_cut and content is None)
    error_class, code = _class_of(_text(said.get("code")), status, is_bare=is_bare)
    # The server's own word wins over the class, also one that came as text or a number: money depends on it.
    flag = _FLAGS.get(str(said.get("retryable")).strip().casefold())
    found = _field_errors(content, said)
    error = error_class(
        _problem(said, content, found) or _meaning(error_class, code, status),
        status=status,
        code=code,
        cause=_text(said.get("cause")),
        fix=error_codes.WARNINGS.get(code)
        or _text(said.get("fix"))
        or _fix(code, status, said, is_bare=is_bare),
        request_id=_text(said.get("request_id")) or request_id_of(headers),
        retryable=flag if flag is not None else _RETRYABLE_STATUSES.get(status),
        retry_after_s=retry_after_s(headers, said.get("retry_after_ms"), now),
        docs_url=_text(said.get("docs_url")) or (None if envelope == "none" else error_codes.docs_url(code)),
        details=said.get("details"),
        suggested_actions=said.get("suggested_actions"),
        body=content,
        envelope=envelope,
        is_cut=is_cut,
        method=method,
        path=path,
    )
    for name in ("estimated_cost_credits", "available_credits", "shortfall_credits"):
        if (number := _number(said.get(name))) is not None:
            setattr(error, name, number)
    if isinstance(error, RequestValidationError):
        error.field_errors, error.more_field_errors = found
    return error


def _content(body: bytes, *, is_cut: bool) -> JSON:
    text = body.decode("utf-8-sig", "replace")  # a gateway may send a byte order mark, or Latin-1
    try:
        # Scrubbed after decoding: an escape could hide a key.
        return scrub_json(parse_json(text.encode(), is_cut=is_cut))
    except ValueError:
        return scrub(text[:_LONGEST_TEXT_READ])[:_LONGEST_BODY_TEXT] or None


def _envelope(content: JSON) -> tuple[errors.Envelope, dict[str, JSON]]:
    """Find the server's fields, and which of the two documented forms they have, if either.

    Money depends on it: the API sends ``detail``, or an ``error`` with a code. JSON of any other form may
    come from a gateway, which knows nothing about what the API did.
    """
    if not isinstance(content, dict):
        return "none", {}
    detail = content.get("detail")
    for holder in (content, detail):  # an HTTPException may wrap the error envelope in `detail`
        if isinstance(holder, dict) and isinstance(error := holder.get("error"), dict):
            return ("error" if _is_error(error) else "none"), error
    if isinstance(detail, dict):
        return "detail", detail
    if detail is not None:
        # With a title it is a problem of RFC 9457, which gateways send and the API does not.
        return ("none" if "title" in content else "detail"), content
    if isinstance(content.get("error"), str):  # as gateways send it: {"error": "upstream timed out"}
        return "none", {"problem": content["error"], **content}
    return "none", content


def _is_error(error: JSON) -> bool:
    return isinstance(error, dict) and isinstance(code := error.get("code"), str) and bool(code)


_OF_THE_DEPLOYMENT: Final = frozenset({"feature_not_available", "not_enabled"})
"""Codes that say, with their own status (501, 503), that a server lacks what was called for all plans."""


def _class_of(code: str | None, status: int, *, is_bare: bool) -> tuple[type[APIError], str]:
    """Return the error class and its code: by the code where there is one, else by the status."""
    by_range = errors.BadRequestError if status < 500 else errors.InternalServerError
    plain = APIError if status < 400 else by_range, f"http_{status}"
    if is_bare:  # a gateway's, which knows nothing of keys, plans and workflows
        return error_codes.BARE.get(status, plain[0]), code or plain[1]
    if status == 403 and code in _OF_THE_DEPLOYMENT:  # with this status it is the plan that lacks it
        return errors.PermissionDeniedError, code or plain[1]
    # An unknown code keeps the class of its status: new codes must not become unexpected errors.
    by_status, derived = error_codes.BY_STATUS.get(status, plain)
    return (error_codes.BY_CODE.get(code, by_status), code) if code else (by_status, derived)


def _fix(code: str, status: int, said: Mapping[str, JSON], *, is_bare: bool) -> str | None:
    if is_bare:
        return error_codes.BARE_FIX
    if code == "insufficient_scope" and (missing := _missing_scopes(said.get("details"))):
        return f"Use a key of a user who has the scope {missing}."
    if status == 403 and code in _OF_THE_DEPLOYMENT:
        return error_codes.FIXES["feature_gated"]
    return error_codes.FIXES.get(code)


def _missing_scopes(details: JSON) -> str:
    """Return the scopes that are required and not granted. How ``details`` names them is not documented."""
    if not isinstance(details, dict):
        return ""
    required = [scope for name, value in details.items() if "requir" in name for scope in _words(value)]
    granted = {scope for name, value in details.items() if "grant" in name for scope in _words(value)}
    return one_line(", ".join(scope for scope in required if scope not in granted))


def _words(value: JSON) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _meaning(error_class: type[APIError], code: str, status: int) -> str:
    if code in error_codes.BY_CODE and (meaning := (error_class.__doc__ or "").partition("\n")[0]):
        return meaning
    return unexplained("The server", status)


def unexplained(who: str, status: int | None) -> str:
    """Return what is said of an answer that says nothing itself."""
    return f"{who} answered {status} without saying why."


def _problem(said: Mapping[str, JSON], content: JSON, found: _FieldErrors) -> str | None:
    for name in ("problem", "message", "detail"):
        if (text := _text(said.get(name))) is not None:
            return text
    if found.errors:
        first, more = found.errors[0], len(found.errors) - 1 + found.more
        where = ".".join(str(part) for part in first.loc) or "request"
        return one_line(f"{where}: {first.msg}" + (f" (and {more} more)" if more else ""))
    # Plain text is shown, a page of HTML is not.
    if isinstance(content, str) and "<" not in content and (line := one_line(content)):
        return line
    return None


class _FieldErrors(NamedTuple):
    """The first 1,000 errors of a list, and how many more it had."""

    errors: tuple[FieldError, ...] = ()
    more: int = 0


def _field_errors(content: JSON, said: Mapping[str, JSON]) -> _FieldErrors:
    """Read FastAPI's list of invalid fields, or the same list where the ``error`` envelope carries it."""
    if not isinstance(content, dict):
        return _FieldErrors()
    details = said.get("details")
    inner = details.values() if isinstance(details, dict) else ()
    candidates = [content.get("detail"), details, said.get("errors"), *inner]
    for candidate in candidates:
        if isinstance(candidate, list):
            items = [item for item in candidate if isinstance(item, dict)]
            if items:
                read = tuple(_field_error(item) for item in islice(items, facts.MAX_FIELD_ERRORS))
                return _FieldErrors(read, len(items) - len(read))
    return _FieldErrors()


def _field_error(item: dict[str, JSON]) -> FieldError:
    raw_loc = item.get("loc")
    parts = raw_loc if isinstance(raw_loc, list) else []
    steps = (part for part in parts if isinstance(part, str | int) and not isinstance(part, bool))
    loc = tuple(islice(steps, _DEEPEST_LOC))
    return FieldError(
        loc, _text(item.get("msg")) or "invalid", _text(item.get("type")) or "value_error", _contact(loc)
    )


def _contact(loc: tuple[str | int, ...]) -> int | None:
    # Wherever "contacts" stands: not every such list begins with "body".
    for name, index in pairwise(loc):
        if name == "contacts" and isinstance(index, int) and index >= 0:
            return index
    return None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Find the server's id of a request in the headers of its answer, whatever its name; else None."""
    for pattern in _REQUEST_ID_HEADERS:
        for name, value in headers.items():
            if pattern.search(name) and (line := one_line(value, 128)):
                return line
    return None


def _text(value: JSON) -> str | None:
    return one_line(value) or None if isinstance(value, str) else None


def _number(value: JSON) -> float | None:
    # A bool is an int in Python, but no number of the API.
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
