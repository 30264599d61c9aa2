"""The words of the library's errors, as they are typed at the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from cleanlist_async.cli.terminal.typed import typed
from cleanlist_async.errors import BudgetExceededError, SpendingPausedError

_OPTIONS: Final = {
    "enrichment_type": "--type",
    **{
        name: f"--{name.replace('_', '-')}"
        for name in (
            "max_credits",
            "max_duplicate_credits",
            "base_url",
            "webhook_url",
            "submit_mode",
            "suppress",
            "on_unknown",
            "half_full_price",
            "key_limit",
            "organization_limit",
            "keep_results",
        )
    },
}
_NOUNS: Final = {
    "linkedin_url": "a LinkedIn profile",
    "first_name": "a first name",
    "last_name": "a last name",
    "company_name": "a company",
    "company_domain": "its web address",
}
_PHRASES: Final = (
    (r"\bstopped by (?:[A-Z][a-z]+)+(?:Error|Timeout|Exception)\b(?!:)", "stopped early"),
    (r"\b(?:[A-Z][a-z]+)+(?:Error|Timeout|Exception): ", ""),  # names of classes
    (r"\[Errno -?\d+\] ", ""),  # what it means follows in words
    (r", or pass api_key=|\bsecret=, or ", ""),
    (r"adopt=True \((--adopt)[^)]*\)", r"\1"),
    (r"\bverify= or (--ca-bundle)", r"\1"),
    (r"^verify names", "--ca-bundle names"),
    (r"^keep(?=:| is empty)", "--columns"),
    (r"^(?=(?:rename|only):)", "--"),
    (r"\bin rename\b", "in --rename"),
    (r"\bclient\.budget\.(\w+)\(\)", r"cleanlist-async budget \1{--store}"),
    (r"; client\.collect fetches what is pending, for free", ""),  # a command follows that does
    (r"\bclient\.(enrich|collect)\b(?:\([^)]*\))?", r"the command \1"),  # its file is not known here
    (r"\bStore\.orphans\(\)", "cleanlist-async store show{--store}"),
    (r"\bStore\.resolve\b(?!\()", "cleanlist-async store show{--store}"),
    (r"\bStore\.audit\(\)", "cleanlist-async audit{--store}"),
    (rf"\b({'|'.join(_OPTIONS)})\b(?: ?= ?(?:'([^']*)'|([\w.]+)))?", None),
)


def before_going_on(error: BaseException | None) -> str | None:
    """Return what must change before a command that *error* stopped can go on; None where nothing must."""
    match error:
        case SpendingPausedError():
            return "Let spending go on with cleanlist-async budget resume"
        case BudgetExceededError(period="day" | "month" as period):
            return f"Wait for the next {period}, or raise the budget with cleanlist-async budget set"
        case _:
            return None


def in_words(reason: str, headers: Mapping[str, str]) -> str:
    """Return why a contact is invalid, with nouns for fields, and the *headers* of a table's own columns."""
    if not reason.startswith("needs "):
        return reason
    plain = reason.replace("(company_domain or company_name)", "company_name or company_domain")
    for field, noun in _NOUNS.items():
        plain = plain.replace(field, f"{noun} ({headers[field]})" if field in headers else noun)
    return plain.replace(" + ", " and ")


def at_the_command_line(message: str) -> str:
    """Return *message* with options and commands in place of arguments and methods, and without classes."""
    for pattern, words in _PHRASES:
        message = re.sub(pattern, _option if words is None else words, message)
    # Last, so that no pattern changes the path of the store.
    return message.replace("{--store}", typed.store_option)


def _option(argument: re.Match[str]) -> str:
    value = argument[2] or argument[3]
    return _OPTIONS[argument[1]] + (f" {value}" if value else "")
