"""JSON answers; errors, and the two envelopes in which they are documented.

``{"detail": ...}`` is docs.cleanlist.ai/api-reference/errors, ``{"error": {...}}`` is
docs.cleanlist.ai/mcp-api/errors; both pages speak for the same prefix.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from http import HTTPStatus
from http.client import responses as phrases
from itertools import count
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from .options import Envelope

DOCS_URL: Final = "https://docs.cleanlist.ai/errors/"


def encode(document: object) -> bytes:
    """Return a document as compact JSON; escaped to ASCII, so that any string can be echoed."""
    return json.dumps(document, separators=(",", ":")).encode()


def json_response(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a document, or JSON that is already encoded (bytes), as an answer."""
    body = document if isinstance(document, bytes) else encode(document)
    return Response(body, status, headers, media_type="application/json")


M = TypeVar("M", bound=BaseModel)


class Standard(NamedTuple):
    """The text of an HTTP status in the ``detail`` envelope, and its counterpart in the other."""

    detail: str
    code: str
    retryable: bool = False
    status_with_code: int | None = None
    """HTTP status in the ``error`` envelope, where that differs."""
    fix: str | None = None


STANDARDS: Final[dict[int, Standard]] = {
    401: Standard("Not authenticated", "invalid_token", fix="Send Authorization: Bearer with an active key."),
    # The one failure whose status differs between the two pages, apart from validation.
    402: Standard("Insufficient credits", "insufficient_credits", status_with_code=400, fix="Top up."),
    403: Standard("Your plan does not include API access.", "feature_gated", fix="Upgrade the plan."),
    404: Standard("Not Found", "not_found"),
    405: Standard("Method Not Allowed", "method_not_allowed"),
    410: Standard("This API version has been retired.", "version_deprecated"),
    422: Standard("Validation failed.", "validation_error", status_with_code=400),
    429: Standard("Rate limit exceeded", "rate_limited", retryable=True),
    501: Standard("Not enabled on this deployment.", "feature_not_available"),
    503: Standard("Service temporarily unavailable", "internal_error", retryable=True),
    504: Standard("The workflow did not finish in time.", "workflow_timeout", retryable=True),
}


class RefusedError(Exception):
    """A request that is refused.

    ``detail`` is the text, or FastAPI's list of field errors; ``extra`` goes into the ``error`` envelope
    only; ``wait_s`` is the seconds after which a retry makes sense.
    """

    def __init__(
        self,
        status: int,
        detail: str | list[dict[str, object]] | None = None,
        *,
        code: str | None = None,
        extra: Mapping[str, object] | None = None,
        wait_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.standard = STANDARDS.get(status) or _unnamed(status)
        self.detail = detail if detail is not None else self.standard.detail
        self.code = code or self.standard.code
        self.extra = dict(extra or {})
        self.wait_s = wait_s
        self.headers = dict(headers or {})


def field_error(kind: str, loc: Sequence[str | int], msg: str, **given: object) -> dict[str, object]:
    """Return one entry of FastAPI's 422 list; ``input`` may be given."""
    return {"type": kind, "loc": list(loc), "msg": msg, **given}


def decode(body: bytes, *, echo: bool = False) -> object:
    """Return a JSON body. Raises RefusedError 422; with *echo*, it has an ``input``."""
    try:
        return json.loads(body)
    except ValueError as problem:
        given = {"input": dict[str, object]()} if echo else {}
        # Bytes that are not UTF-8 are a ValueError too, but have no position.
        loc = ["body", getattr(problem, "pos", 0)]
        raise RefusedError(422, [field_error("json_invalid", loc, "JSON decode error", **given)]) from None


def validated(document: object, model: type[M], where: str, *, echo: bool = False) -> M:
    """Return a document as a model. Raises RefusedError 422 with every field error there is."""
    try:
        return model.model_validate(document)
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_context=False, include_input=echo)
        raise RefusedError(422, [{**error, "loc": [where, *error["loc"]]} for error in errors]) from None


class Envelopes:
    """Renders refusals, in the envelope asked for."""

    def __init__(
        self, envelope: Envelope, limit_429: Envelope, seed: object, *, validation: Envelope | None = None
    ) -> None:
        self._envelope: Envelope = envelope
        self._limit_429: Envelope = limit_429
        self._validation: Envelope = validation or envelope
        self._request_ids = (_request_id(seed, number) for number in count())

    def render(self, refusal: RefusedError) -> Response:
        """Return the answer."""
        headers = dict(refusal.headers)
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            # RFC 9110 requires it with a 401.
            headers["WWW-Authenticate"] = "Bearer"
        if self._envelope_of(refusal) == "detail":
            # This form has no request id, and no header names the wait.
            return json_response({"detail": refusal.detail}, refusal.status, headers)
        if refusal.wait_s is not None:
            # Whole seconds, rounded up, beside the milliseconds of the body.
            headers["Retry-After"] = str(math.ceil(refusal.wait_s))
        status = refusal.standard.status_with_code or refusal.status
        return json_response({"error": _error(refusal, next(self._request_ids))}, status, headers)

    def _envelope_of(self, refusal: RefusedError) -> Envelope:
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            # Apart from the others: the two pages describe it in different forms for the same prefix.
            return self._limit_429
        return self._validation if isinstance(refusal.detail, list) else self._envelope


def _request_id(seed: object, number: int) -> str:
    return "req_" + blake2b(f"{seed}:{number}".encode(), digest_size=8).hexdigest()


def _error(refusal: RefusedError, request_id: str) -> dict[str, object]:
    is_text = isinstance(refusal.detail, str)
    wait_s = refusal.wait_s
    error: dict[str, object] = {
        "code": refusal.code,
        "problem": refusal.detail if is_text else refusal.standard.detail,
        "cause": None,
        "fix": refusal.standard.fix,
        "retryable": refusal.standard.retryable,
        "retry_after_ms": None if wait_s is None else math.ceil(wait_s * 1000),
        "docs_url": DOCS_URL + refusal.code.replace("_", "-"),
        "request_id": request_id,
    }
    if not is_text:
        error["details"] = {"errors": refusal.detail}
    return error | refusal.extra


def _unnamed(status: int) -> Standard:
    server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Standard(
        phrases.get(status, "Error"),
        "internal_error" if server_error else "validation_error",
        retryable=server_error,
    )


class Documented(NamedTuple):
    """The status and texts that belong to a code."""

    status: int
    problem: str
    fix: str | None = None
    retryable: bool = False


CODES: Final[dict[str, Documented]] = {
    "validation_error": Documented(400, "The request is not valid."),
    "insufficient_credits": Documented(400, "Not enough credits.", "Top up, or ask for less."),
    "spend_cap_exceeded": Documented(
        400, "This call costs more than its quote allows.", "Estimate again and use the new quote."
    ),
    "approval_required": Documented(400, "This run is too large to start unasked.", "Run a subset."),
    "quote_required": Documented(400, "This call needs a quote.", "POST /credits/estimate first."),
    "quote_invalid": Documented(400, "The quote is not one of ours.", "Estimate again."),
    "quote_expired": Documented(400, "The quote has expired.", "Estimate again."),
    "quote_mismatch": Documented(400, "The quote is for another call.", "Estimate exactly this call."),
    "quote_already_redeemed": Documented(400, "The quote was used before.", "Estimate again."),
    "invalid_cursor": Documented(400, "The cursor is not valid.", "Start again without a cursor."),
    "missing_column": Documented(400, "A mapped column is not in the file.", "Correct the column mapping."),
    "insufficient_scope": Documented(403, "The key lacks a scope.", "Use a key that has it."),
    "list_protected": Documented(403, "The list is protected."),
    "not_found": Documented(404, "Not found."),
    "list_not_found": Documented(404, "There is no such list."),
    "task_not_found": Documented(404, "There is no such task, or it has expired.", "Search again."),
    "folder_not_found": Documented(404, "There is no such folder."),
    "payload_too_large": Documented(413, "The file is too large.", "Split it."),
    "not_enabled": Documented(503, "This operation is switched off.", "Ask support."),
}


def refused(code: str, problem: str | None = None, **extra: object) -> RefusedError:
    """Return the refusal of a documented code; ``extra`` goes beside ``code`` into the ``error`` object."""
    documented = CODES[code]
    said: dict[str, object] = {"fix": documented.fix, "retryable": documented.retryable}
    return RefusedError(documented.status, problem or documented.problem, code=code, extra=said | extra)
