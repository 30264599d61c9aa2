"""What is typed at the command line: options and commands as they are printed, to be pasted.

And the words of the library's errors, in which arguments and methods become options and commands.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from cleanlist_async.checks import covers
from cleanlist_async.errors import BudgetExceededError, SpendingPausedError

PLACEHOLDER: Final = "WORKFLOW_ID"
"""Stands for an id in a printed command."""
# No command follows where a message says to install cleanlist-async with an extra.
_PROGRAM: Final = re.compile(r"\bcleanlist-async (?=[a-z])(?!with\b)")


@dataclass(slots=True)
class Typed:
    """What was typed of the options that lead to the same data: one process runs one command.

    An address with ``://`` may hold a password, so a word stands in its place.
    """

    limits: str | None = None
    store: str | None = None

    def begin(self, limits: str | None) -> None:
        """Begin a command, with the *limits* that were typed before it."""
        self.limits, self.store = limits, None

    def note_store(self, store: str | None) -> str | None:
        """Note the store that was typed, and return it."""
        self.store = store
        return store

    @property
    def store_option(self) -> str:
        """The option of the store, with a blank before it."""
        return option("--store", self.store)

    def pasted(self, text: str) -> str:
        """Return *text* with what was typed before the command in each command that it names."""
        # By a function: a path may have what a pattern reads as a group.
        return _PROGRAM.sub(lambda _: f"cleanlist-async{option('--limits', self.limits)} ", text)


def option(name: str, value: str | None) -> str:
    """Return an option as it would be typed again, with a blank before it; nothing for None."""
    if not value:
        return ""
    is_plain = "://" not in value or value.startswith("sqlite:")
    return f" {name} {shlex.quote(value) if is_plain else 'URL'}"


def as_typed(options: Mapping[str, object]) -> str:
    """Return options as they would be typed again, with a blank before each word.

    True stands for a flag, a list for an option that is repeated; what is empty is left out.
    """
    words: list[str] = []
    for name, value in options.items():
        if isinstance(value, list):
            words += [word for one in cast("list[object]", value) for word in (name, str(one))]
        elif value:
            words += [name] if value is True else [name, str(value)]
    return "".join(f" {shlex.quote(word)}" for word in words)


typed: Final = Typed()


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


def before_going_on(error: BaseException | None, price: float | None = None) -> str | None:
    """Return what must change before a command that *error* stopped can go on; None where nothing must.

    *price*: the most that a contact can cost, where that is known. A limit below it buys nothing, ever.
    """
    match error:
        case SpendingPausedError():
            return "Let spending go on with cleanlist-async budget resume"
        case BudgetExceededError(period="day" | "month" as period) if is_below(error.max_credits, price):
            most = f"{price:,.10g} credit{'' if price == 1 else 's'}"
            return f"Raise the budget to at least {most} a {period} with cleanlist-async budget set"
        case BudgetExceededError(period="day" | "month" as period):
            return f"Wait for the next {period}, or raise the budget with cleanlist-async budget set"
        case _:
            return None


def is_below(limit: float | None, price: float | None) -> bool:
    """Whether a limit does not cover the price of one contact."""
    return limit is not None and price is not None and not covers(limit, price)


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
