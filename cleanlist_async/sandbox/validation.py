"""Checks of the bodies that the Public API takes, of which there is one: a batch of contacts to enrich.

What is wrong is told as FastAPI tells it (docs.cleanlist.ai/api-reference/errors), by `field_error` for any
body.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast
from urllib.parse import urlsplit

from cleanlist_async.contacts.contact import API_FIELDS

from .prices import WORST_CASE
from .refusals import RefusedError

MAX_CONTACTS: Final = 250
# The newest page makes the type optional; older ones required it.
DEFAULT_TYPE: Final = "partial"
EMPTY: Final = "At least one contact is required."
TOO_MANY: Final = "Bulk enrichment supports up to 250 contacts per request."
INCOMPLETE: Final = (
    "Each contact must include linkedin_url OR first_name + last_name + (company_domain or company_name)."
)
BAD_TYPE: Final = "Input should be 'none', 'partial', 'phone_only', 'full' or 'prospecting_only'"
NOT_AN_OBJECT: Final = "Input should be a valid dictionary or object to extract fields from"

FieldError: TypeAlias = dict[str, object]
Location: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """An acceptable batch: 1..250 contacts, as they were sent."""

    contacts: list[Mapping[str, object]]
    enrichment_type: str
    webhook_url: str | None


def parse_submission(body: bytes) -> Submission:
    """Read the body of ``POST /enrich/bulk``.

    Raises RefusedError 422 with every field error there is, else 400 for no contacts or more than 250.
    """
    document = _document(body)
    errors = [
        *_contacts_errors(document),
        *_type_errors(document.get("enrichment_type", DEFAULT_TYPE)),
        *_webhook_errors(document.get("webhook_url")),
    ]
    # As FastAPI does: the model is validated first, and the counts after it.
    if errors:
        raise RefusedError(422, errors)
    contacts = cast("list[Mapping[str, object]]", document["contacts"])
    if not contacts:
        # 400 and not 422: the documentation keeps counts apart from fields.
        raise RefusedError(400, EMPTY)
    if len(contacts) > MAX_CONTACTS:
        raise RefusedError(400, TOO_MANY)
    return Submission(
        contacts,
        str(document.get("enrichment_type", DEFAULT_TYPE)),
        cast("str | None", document.get("webhook_url")),
    )


def field_error(kind: str, loc: Location, msg: str, given: object) -> FieldError:
    """Return one entry of FastAPI's 422 list."""
    return {"type": kind, "loc": ["body", *loc], "msg": msg, "input": given}


def _document(body: bytes) -> dict[str, object]:
    try:
        document: object = json.loads(body) if body else None
    except ValueError as problem:
        at = getattr(problem, "pos", 0)
        raise RefusedError(422, [field_error("json_invalid", (at,), "JSON decode error", {})]) from None
    if document is None:
        raise RefusedError(422, [field_error("missing", (), "Field required", None)])
    if not isinstance(document, dict):
        raise RefusedError(422, [field_error("model_attributes_type", (), NOT_AN_OBJECT, document)])
    return cast("dict[str, object]", document)


def _contacts_errors(document: dict[str, object]) -> list[FieldError]:
    if "contacts" not in document:
        return [field_error("missing", ("contacts",), "Field required", document)]
    contacts = document["contacts"]
    if not isinstance(contacts, list):
        return [field_error("list_type", ("contacts",), "Input should be a valid list", contacts)]
    errors: list[FieldError] = []
    for index, contact in enumerate(cast("list[object]", contacts)):
        errors += _contact_errors(index, contact)
    return errors


def _contact_errors(index: int, contact: object) -> list[FieldError]:
    if not isinstance(contact, dict):
        return [field_error("model_attributes_type", ("contacts", index), NOT_AN_OBJECT, contact)]
    fields = cast("dict[str, object]", contact)
    # Other keys are let through: whether the API refuses them is not documented.
    wrong = [name for name in API_FIELDS if not isinstance(fields.get(name, ""), str | None)]
    if wrong:
        message = "Input should be a valid string"
        return [
            field_error("string_type", ("contacts", index, name), message, fields[name]) for name in wrong
        ]
    if _is_complete(cast("dict[str, str | None]", contact)):
        return []
    return [field_error("value_error", ("contacts", index), INCOMPLETE, fields)]


def _is_complete(contact: Mapping[str, str | None]) -> bool:
    def has(name: str) -> bool:
        return bool((contact.get(name) or "").strip())

    if has("linkedin_url"):
        return True
    return has("first_name") and has("last_name") and (has("company_domain") or has("company_name"))


def _type_errors(enrichment_type: object) -> list[FieldError]:
    if isinstance(enrichment_type, str) and enrichment_type in WORST_CASE:
        return []
    return [field_error("literal_error", ("enrichment_type",), BAD_TYPE, enrichment_type)]


def _webhook_errors(url: object) -> list[FieldError]:
    if url is None:
        return []
    if not isinstance(url, str):
        return [field_error("url_type", ("webhook_url",), "URL input should be a string or URL", url)]
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # such as an unclosed bracket
        parts, host = urlsplit(""), ""
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        return []
    return [field_error("url_parsing", ("webhook_url",), "Input should be a valid public HTTPS URL", url)]


def _is_loopback(host: str) -> bool:
    # Plain HTTP to this machine is the sandbox's one concession: tests have no certificate.
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
