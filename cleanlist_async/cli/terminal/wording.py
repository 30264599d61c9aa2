"""The words of the library's errors, as they are typed at the command line."""

from __future__ import annotations

import re
from typing import Final

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
            "on_unknown",
            "half_full_price",
            "key_limit",
            "organization_limit",
        )
    },
}
_PHRASES: Final = (
    (r"\b(?:[A-Z][a-z]+)+(?:Error|Timeout|Exception): ", ""),  # names of classes
    (r"\[Errno -?\d+\] ", ""),  # what it means follows in words
    (r", or pass api_key=|\bsecret=, or ", ""),
    (r"adopt=True \((--adopt)[^)]*\)", r"\1"),
    (r"\bverify= or (--ca-bundle)", r"\1"),
    (r"\bclient\.budget\.(\w+)\(\)", r"cleanlist-async budget \1"),
    (r"\bclient\.(enrich|collect)\b(?:\([^)]*\))?", r"cleanlist-async \1"),
    (r"\bStore\.orphans\(\)", "cleanlist-async store show"),
    (r"\bStore\.audit\(\)", "cleanlist-async audit"),
    (rf"\b({'|'.join(_OPTIONS)})\b(?: ?= ?(?:'([^']*)'|([\w.]+)))?", None),
)


def at_the_command_line(message: str) -> str:
    """Return *message* with options and commands in place of arguments and methods, and without classes."""
    for pattern, words in _PHRASES:
        message = re.sub(pattern, _option if words is None else words, message)
    return message


def _option(argument: re.Match[str]) -> str:
    value = argument[2] or argument[3]
    return _OPTIONS[argument[1]] + (f" {value}" if value else "")
