"""From the bytes of an answer to a value or a typed error. Pure: no I/O, and `now` is an argument.

The body decides, never the path: both documented envelopes occur under one prefix
(docs.cleanlist.ai/api-reference/errors and docs.cleanlist.ai/mcp-api/errors), as do FastAPI's lists,
a gateway's HTML and nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast

from pydantic_core import from_json

from cleanlist_async import errors
from cleanlist_async.errors import JSON, APIError, FieldError, InsufficientCreditsError, RequestValidationError
from cleanlist_async.redact import one_line, scrub

_REQUEST_ID_HEADER: Final = re.compile(r"(?:^|-)(?:request|correlation|trace)-?id$|^cf-ray$", re.IGNORECASE)
_WORKFLOW_ID: Final = re.compile(rb'"workflow_id"\s*:\s*"([A-Za-z0-9_.:-]{1,128})"')
_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{1,3})?", re.ASCII)
_LONGEST_BODY_TEXT: Final = 2_000
_RETRYABLE_STATUSES: Final = frozenset({408, 425})

_BY_CODE: Final[dict[str, type[errors.APIError]]] = {
    "validation_error": errors.RequestValidationError,
    "insufficient_credits": errors.InsufficientCreditsError,
    "spend_cap_exceeded": errors.SpendCapExceededError,
    "approval_required": errors.ApprovalRequiredError,
    "estimate_token_mismatch": errors.EstimateTokenMismatchError,
    "quote_expired": errors.QuoteExpiredError,
    "quote_invalid": errors.QuoteInvalidError,
    "quote_mismatch": errors.QuoteMismatchError,
    "quote_already_redeemed": errors.QuoteAlreadyRedeemedError,
    "quote_required": errors.QuoteRequiredError,
    "invalid_filter_id": errors.InvalidFilterError,
    "field_mapping_required": errors.FieldMappingRequiredError,
    "missing_column": errors.MissingColumnError,
    "invalid_cursor": errors.InvalidCursorError,
    "provider_not_connected": errors.ProviderNotConnectedError,
    "invalid_token": errors.AuthenticationError,
    "insufficient_scope": errors.InsufficientScopeError,
    "list_cap_reached": errors.PermissionDeniedError,
    "list_protected": errors.PermissionDeniedError,
    "feature_gated": errors.PermissionDeniedError,
    "not_found": errors.NotFoundError,
    "list_not_found": errors.ListNotFoundError,
    "task_not_found": errors.TaskNotFoundError,
    "folder_not_found": errors.FolderNotFoundError,
    "version_deprecated": errors.VersionDeprecatedError,
    "rate_limited": errors.RateLimitError,
    "feature_not_available": errors.FeatureNotAvailableError,
    "not_enabled": errors.NotEnabledError,
    "filters_unavailable": errors.FiltersUnavailableError,
    "internal_error": errors.InternalServerError,
    "workflow_timeout": errors.WorkflowTimeoutError,
}
"""The class of each documented code (docs.cleanlist.ai/mcp-api/errors)."""

_BY_STATUS: Final[dict[int, tuple[type[errors.APIError], str]]] = {
    400: (errors.BadRequestError, "bad_request"),
    401: (errors.AuthenticationError, "invalid_token"),
    402: (errors.InsufficientCreditsError, "insufficient_credits"),
    403: (errors.PermissionDeniedError, "permission_denied"),
    404: (errors.NotFoundError, "not_found"),
    409: (errors.ConflictError, "conflict"),
    410: (errors.VersionDeprecatedError, "version_deprecated"),
    413: (errors.PayloadTooLargeError, "payload_too_large"),
    422: (errors.RequestValidationError, "validation_error"),
    429: (errors.RateLimitError, "rate_limited"),
    500: (errors.InternalServerError, "internal_error"),
    501: (errors.FeatureNotAvailableError, "feature_not_available"),
    503: (errors.ServiceUnavailableError, "service_unavailable"),
    504: (errors.WorkflowTimeoutError, "workflow_timeout"),
}
"""Class and derived code of each status, for bodies without a code."""

_FIX_BY_STATUS: Final[dict[int, str]] = {
    401: "Check the API key: it may be revoked or expired; make a new one in the portal.",
    402: "Top up in the portal under Settings, Billing; failed enrichments cost nothing.",
    403: "The plan or the key has no access to this; API access needs Pro or higher.",
}
"""What to do, for bodies that do not say (docs.cleanlist.ai/api-reference/errors)."""


def parse_json(body: bytes) -> JSON:
    """Decode *body*, which may not contain NaN or an endless nesting. Raises ValueError."""
    return cast("JSON", from_json(body, allow_inf_nan=False))


def salvage_workflow_id(body: bytes) -> str | None:
    """Find a workflow id in a body that cannot be read otherwise: it may have been paid for."""
    found = _WORKFLOW_ID.search(body)
    return found.group(1).decode() if found else None


def retry_after_s(headers: Mapping[str, str], retry_after_ms: JSON, now: datetime) -> float | None:
    """Return the seconds the server asks us to wait: the larger of header and body, or None.

    The header holds whole seconds or an HTTP date, the body milliseconds (docs.cleanlist.ai/mcp-api/errors).
    Anything else, and anything not positive and finite, counts as silence.
    """
    waits = [_header_seconds(headers, now)]
    if isinstance(retry_after_ms, int | float) and not isinstance(retry_after_ms, bool):
        waits.append(retry_after_ms / 1000)
    return max((wait for wait in waits if wait is not None and 0 < wait < 1e9), default=None)


def _header_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    until, sent = _http_date(text), _http_date(headers.get("date", ""))
    return (until - (sent or now)).total_seconds() if until else None


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def holds_error(answer: JSON) -> bool:
    """Whether an answer with a 2xx status is an ``error`` envelope all the same."""
    return isinstance(answer, dict) and isinstance(answer.get("error"), dict)


def decode_error(
    status: int, headers: Mapping[str, str], body: bytes, *, method: str, path: str, now: datetime
) -> APIError:
    """Turn an error answer of any shape into the typed error it means."""
    content = _content(body)
    envelope, said = _envelope(content)
    code = said.get("code") if isinstance(said.get("code"), str) and said.get("code") else None
    error_class, derived_code = _class_of(code, status)
    flag = said.get("retryable")
    error = error_class(
        _problem(said, content, status),
        status=status,
        code=cast("str", code or derived_code),
        cause=_text(said.get("cause")),
        fix=_text(said.get("fix")) or _FIX_BY_STATUS.get(status),
        request_id=_text(said.get("request_id")) or _request_id(headers),
        retryable=flag if isinstance(flag, bool) else status in _RETRYABLE_STATUSES or None,
        retry_after_s=retry_after_s(headers, said.get("retry_after_ms"), now),
        docs_url=_text(said.get("docs_url")),
        details=said.get("details"),
        suggested_actions=said.get("suggested_actions"),
        body=content,
        envelope=envelope,
        method=method,
        path=path,
    )
    if isinstance(error, InsufficientCreditsError):
        error.estimated_cost_credits = _number(said.get("estimated_cost_credits"))
        error.available_credits = _number(said.get("available_credits"))
        error.shortfall_credits = _number(said.get("shortfall_credits"))
    if isinstance(error, RequestValidationError):
        error.field_errors = _field_errors(content)
    return error


def _content(body: bytes) -> JSON:
    text = scrub(body.decode("utf-8", "replace"))
    try:
        return parse_json(text.encode())
    except ValueError:
        return text[:_LONGEST_BODY_TEXT] or None


def _envelope(content: JSON) -> tuple[errors.Envelope, dict[str, JSON]]:
    """Find what the server said, and in which of the two forms."""
    if not isinstance(content, dict):
        return "none", {}
    detail = content.get("detail")
    for holder in (content, detail):  # an HTTPException may wrap the error envelope in `detail`
        if isinstance(holder, dict) and isinstance(error := holder.get("error"), dict):
            return "error", error
    if isinstance(detail, dict):
        return "detail", detail
    if detail is not None:
        return "detail", content
    if isinstance(content.get("error"), str):
        return "error", {"problem": content["error"], **content}
    return ("error" if "code" in content else "none"), content


def _class_of(code: JSON, status: int) -> tuple[type[APIError], str]:
    by_status, derived = _BY_STATUS.get(status, (_class_of_range(status), f"http_{status}"))
    return (_BY_CODE.get(code, by_status) if isinstance(code, str) else by_status), derived


def _class_of_range(status: int) -> type[APIError]:
    if status < 400:
        return APIError
    return errors.BadRequestError if status < 500 else errors.InternalServerError


def _problem(said: Mapping[str, JSON], content: JSON, status: int) -> str:
    for name in ("problem", "message", "detail"):
        if (text := _text(said.get(name))) is not None:
            return text
    if found := _field_errors(content):
        first, more = found[0], len(found) - 1
        where = ".".join(str(part) for part in first.loc) or "request"
        return one_line(f"{where}: {first.msg}" + (f" (and {more} more)" if more else ""))
    if isinstance(content, str) and content.strip() and "<" not in content:
        return one_line(content)
    return f"The server answered {status} without saying why."


def _field_errors(content: JSON) -> tuple[FieldError, ...]:
    """Read FastAPI's list of invalid fields, or the same list where the ``error`` envelope carries it."""
    if not isinstance(content, dict):
        return ()
    error = content.get("error")
    candidates = [content.get("detail")]
    if isinstance(error, dict):
        details = error.get("details")
        candidates += [details, *(details.values() if isinstance(details, dict) else ())]
    for found in candidates:
        if isinstance(found, list):
            return tuple(_field_error(item) for item in found if isinstance(item, dict))
    return ()


def _field_error(item: dict[str, JSON]) -> FieldError:
    raw_loc = item.get("loc")
    loc = tuple(part for part in raw_loc if isinstance(part, str | int)) if isinstance(raw_loc, list) else ()
    return FieldError(loc, _text(item.get("msg")) or "invalid", _text(item.get("type")) or "value_error", _contact(loc))


def _contact(loc: tuple[str | int, ...]) -> int | None:
    for name, index in zip(loc, loc[1:], strict=False):
        if name == "contacts" and isinstance(index, int) and not isinstance(index, bool) and index >= 0:
            return index
    return None


def _request_id(headers: Mapping[str, str]) -> str | None:
    return next((one_line(headers[name], 128) for name in headers if _REQUEST_ID_HEADER.search(name)), None)


def _text(value: JSON) -> str | None:
    return one_line(value) or None if isinstance(value, str) else None


def _number(value: JSON) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
