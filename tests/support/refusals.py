"""What an answer to a paid request proves, read from the API's own pages, and the answers to try it on.

Written apart from the package: `is_refusal` must not share a table with what it judges.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

Form = Literal["error", "wrapped", "detail", "detail object", "bare object", "no code", "html", "empty"]

PAGE = """
validation_error 400
insufficient_credits 400
spend_cap_exceeded 400
approval_required 400
estimate_token_mismatch 400
quote_expired 400
quote_invalid 400
quote_mismatch 400
quote_already_redeemed 400
invalid_filter_id 400
field_mapping_required 400
invalid_cursor 400
feature_not_available 501
not_enabled 503
filters_unavailable 502
provider_not_connected 400
invalid_token 401
insufficient_scope 403
not_found 404
list_not_found 404
task_not_found 404
folder_not_found 404
rate_limited 429
workflow_timeout 504
version_deprecated 410
internal_error 500
"""
"""Code and typical status of each error (docs.cleanlist.ai/mcp-api/errors)."""
ELSEWHERE = """
quote_required 400
missing_column 400
list_cap_reached 403
list_protected 403
feature_gated 403
"""
"""Codes that the descriptions of single operations name."""
_WORDS = (PAGE + ELSEWHERE).split()
DOCUMENTED = dict(zip(_WORDS[::2], map(int, _WORDS[1::2]), strict=True))
UNCLEAR = {"internal_error", "workflow_timeout", "filters_unavailable"}
"""They may be said after the work was begun."""
QUOTES = {code for code in DOCUMENTED if code.startswith("quote_")} | {"estimate_token_mismatch"}
UNKNOWN_CODES = ("brand_new", "conflict")
FLAGS: tuple[bool | str | None, ...] = (None, False, True, "maybe")
FORMS_WITH_A_CODE: tuple[Form, ...] = ("error", "wrapped", "detail object", "bare object")
FORMS_WITHOUT: tuple[Form, ...] = ("detail", "no code")
FORMS_WITHOUT_A_FLAG: tuple[Form, ...] = ("html", "empty")
STATUSES = (
    *(200, 202, 301, 302, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 415, 418, 422, 425, 429, 451, 499),
    *(500, 501, 502, 503, 504, 520, 599),
)


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    form: Form
    code: str | None = None
    flag: bool | str | None = None

    @property
    def body(self) -> bytes:
        fields: dict[str, object] = {"problem": "No.", "request_id": "req_1"}
        if self.code is not None:
            fields["code"] = self.code
        if self.flag is not None:
            fields["retryable"] = self.flag
        match self.form:
            case "error" | "no code":
                return json.dumps({"error": fields}).encode()
            case "wrapped":
                return json.dumps({"detail": {"error": fields}}).encode()
            case "detail object":
                return json.dumps({"detail": fields}).encode()
            case "detail":
                return json.dumps({**fields, "detail": "No."}).encode()
            case "bare object":
                return json.dumps(fields).encode()
            case "html":
                return b"<html><body>No.</body></html>"
            case "empty":
                return b""


def is_refusal(said: Said) -> bool:
    """Whether the answer proves that a first attempt was not taken."""
    if said.code in UNCLEAR:
        return False
    by_code = said.form in {"error", "wrapped"} and said.code in DOCUMENTED
    names_a_pause = said.code == "rate_limited" and said.form != "bare object"
    may_pass = said.flag is True or (names_a_pause and said.flag is not False)
    match said.status:
        case 301 | 307 | 308:  # ask for the same request at another address (RFC 9110)
            return True
        case 429:
            return True
        case 413:
            return by_code or not may_pass
        case 400 | 401 | 402 | 403 | 404 | 422:
            by_the_api = said.form not in {"bare object", "no code", "html", "empty"}
            return by_code or (by_the_api and not may_pass)
        case 405 | 415:
            return by_code or (said.form in {"error", "wrapped"} and not may_pass)
        case 409:
            return by_code and said.code in QUOTES
        case 410 | 501 | 503:
            return by_code and said.code is not None and DOCUMENTED[said.code] == said.status
        case _:
            return False


def answers(statuses: tuple[int, ...] = STATUSES) -> Iterator[Said]:
    """All combinations of status, code, flag and form."""
    codes = (*DOCUMENTED, *UNKNOWN_CODES)
    for status in statuses:
        for form, code, flag in product(FORMS_WITH_A_CODE, codes, FLAGS):
            yield Said(status, form, code, flag)
        for form, flag in product(FORMS_WITHOUT, FLAGS):
            yield Said(status, form, None, flag)
        for form in FORMS_WITHOUT_A_FLAG:
            yield Said(status, form)
