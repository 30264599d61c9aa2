"""Checks of arguments. All raise ConfigurationError, which names what was expected and what was given."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Collection
from inspect import isasyncgenfunction, isclass, iscoroutinefunction, isgeneratorfunction
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

from cleanlist_async import facts
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.redact import one_line, scrub

_MOST: Final = sys.maxsize
"""The largest number that fits wherever numbers go: journals, timers, JSON."""
_MOST_SHOWN: Final = 10**15
_BLANK: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_NOT_IN_IDS: Final = re.compile(r'[\s\x00-\x1f\x7f"\\<>{}|^`]')
"""Characters that no id may have, since no address can hold them as they are."""
_LONGEST_ID: Final = 256
_NOT_PLAIN: Final = (iscoroutinefunction, isasyncgenfunction, isgeneratorfunction)


# -- words -----------------------------------------------------------------------------------------


def a_type(value: object) -> str:
    """Return the type of *value* with its article: "a list", "an int"."""
    name = type(value).__name__
    if name == "bytes":  # a plural
        return name
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"  # a UUID, a UserDict


def shown(value: object) -> str:
    """Return *value* as a message shows it: text and numbers literally, anything else by its type."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return repr(one_line(value, 40))
    if isinstance(value, int) and abs(value) >= _MOST_SHOWN:  # Python refuses to print long ones
        return f"about {'-' if value < 0 else ''}10**{int(math.log10(abs(value)))}"
    if isinstance(value, int | float):
        return f"{value}"
    return f"the class {value.__name__}" if isclass(value) else a_type(value)


def wrong(name: str, expected: str, value: object, *, fix: str | None = None) -> ConfigurationError:
    """Return the error for an invalid argument."""
    return ConfigurationError(f"{name} must be {expected}, not {shown(value)}.", fix=fix)


def with_extras(*extras: str) -> str:
    """Return how to install what is missing, wherever this package itself was installed from."""
    return f"install cleanlist-async with the extra{'s' * (len(extras) > 1)} [{','.join(extras)}]"


def extra_missing(problem: str, extra: str, instead: str = "") -> ConfigurationError:
    """Return the error for a package that *extra* installs; *instead* is what helps as well."""
    return ConfigurationError(problem, fix=f"For that, {with_extras(extra)}{instead}.")


def is_any(value: object, *kinds: type) -> bool:
    """Whether *value* is an instance of one of *kinds*. Unlike isinstance, it narrows no type."""
    return isinstance(value, kinds)


def is_encodable(text: str) -> bool:
    """Whether *text* can be sent: one with half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def optional(check: Callable[..., object], name: str, value: object, *rest: object) -> None:
    """Apply *check*, unless the argument was left out."""
    if value is not None:
        check(name, value, *rest)


# -- kinds of arguments ----------------------------------------------------------------------------


def check_number(
    name: str,
    value: object,
    what: str,
    *,
    at_least: float = -_MOST,
    above: float = -math.inf,
    may_be_infinite: bool = False,
) -> None:
    """Check a number that is *at_least* one bound and *above* another; a bool is none."""
    bound = f"above {above:g}" if above > -math.inf else f"of at least {at_least:g}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(name, f"{what} {bound}", value)
    # Written as a positive condition, which NaN does not meet.
    if not (value >= at_least and value > above):
        raise wrong(name, f"{what} {bound}", value)
    if value > _MOST and not (may_be_infinite and value == math.inf):
        raise wrong(name, f"{what} of at most {_MOST:g}", value)


def check_whole(
    name: str, value: object, what: str = "a whole number", *, at_least: int = 0, at_most: int = _MOST
) -> None:
    """Check a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(name, f"{what} of at least {at_least}", value)
    if not at_least <= value <= at_most:
        bound = f"of at least {at_least}" if value < at_least else f"of at most {at_most:,}"
        raise wrong(name, f"{what} {bound}", value)


def check_seconds(name: str, value: object) -> None:
    """Check a length of time in seconds; it may be infinite."""
    check_number(name, value, "a number of seconds", above=0, may_be_infinite=True)


def check_credits(name: str, value: object) -> None:
    """Check a limit in credits."""
    check_number(name, value, "a number of credits", at_least=0)


def covers(limit: float, credits_: float) -> bool:
    """Whether a limit covers so many credits, whatever their sum lost to rounding. It never covers NaN."""
    return credits_ <= limit + facts.ROUNDING_CREDITS


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Check one of several words."""
    if not isinstance(value, str) or value not in choices:
        *first, last = map(repr, choices)
        raise wrong(name, f"{', '.join(first)} or {last}", value)


def check_flag(name: str, value: object) -> None:
    """Check a bool: the text "false" counts as true in Python."""
    if not isinstance(value, bool):
        raise wrong(name, "True or False", value)


def check_text(name: str, value: object) -> None:
    """Check a text that is not blank, and can be sent and stored. It may be secret, so it is not shown."""
    if not isinstance(value, str):
        raise wrong(name, "text", value)
    if not value.strip() or "\0" in value or not is_encodable(value):
        raise ConfigurationError(f"{name} must be text that is not blank and can be encoded.")


def check_actor(actor: object) -> None:
    """Check who decides, for the audit trail; blank for nobody in particular."""
    check_instance("actor", actor, str)
    if actor:
        check_text("actor", actor)


def check_route(name: str, value: object) -> None:
    """Check the path of a route of the caller's application."""
    if not isinstance(value, str) or not value.startswith("/") or _BLANK.search(value):
        raise wrong(name, "a path that begins with a slash", value)


def checked_id(name: str, value: object) -> str:
    """Return an id of the API."""
    if not (isinstance(value, str) and _is_id(value)):
        raise wrong(name, "an id that the API gave", value)
    return value


def checked_path(name: str, value: object) -> Path:
    """Return the path of a file."""
    try:
        path = os.fspath(cast("str", value))
        is_sound = is_any(path, str) and Path(path).name.strip() and b"\0" not in os.fsencode(path)
    except (TypeError, UnicodeEncodeError):
        path, is_sound = "", False
    if not is_sound:
        raise wrong(name, "the path of a file", path or value)
    return Path(path)


def check_function(name: str, value: object) -> None:
    """Check a function that is called and not awaited; a class is a mistake for its instance."""
    call = getattr(value, "__call__", value)  # noqa: B004  # also an object whose __call__ is async
    if any(is_kind(one) for is_kind in _NOT_PLAIN for one in (value, call)):
        raise ConfigurationError(f"{name} must be a plain function, not an async one or a generator.")
    if isclass(value) or not callable(value):
        raise wrong(name, "a function", value)


def check_callable(name: str, value: object) -> None:
    """Check a function, async or not; a class is a mistake for its instance."""
    if isclass(value) or not callable(value):
        raise wrong(name, "a function", value)


def check_instance(name: str, value: object, *kinds: type) -> None:
    """Check that *value* is an instance of one of *kinds*."""
    if not isinstance(value, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise wrong(name, f"{'an' if names[0] in 'AEIO' else 'a'} {names}", value)


def check_methods(name: str, value: object, *methods: str) -> None:
    """Check that *value* has the *methods* of a protocol."""
    if isclass(value) or not all(callable(getattr(value, method, None)) for method in methods):
        raise wrong(name, f"an object with the methods {' and '.join(methods)}", value)


def _is_id(value: str) -> bool:
    if not 1 <= len(value) <= _LONGEST_ID or _NOT_IN_IDS.search(value) or not is_encodable(value):
        return False
    # An id becomes part of a path: it must not lead elsewhere, nor put a key into the log of a gateway.
    return value not in {".", ".."} and scrub(value) == value


# -- arguments that several methods take -----------------------------------------------------------


def check_enrichment_type(enrichment_type: object) -> None:
    """Check a type of enrichment."""
    check_choice("enrichment_type", enrichment_type, facts.ENRICHMENT_TYPES)


def check_webhook_url(webhook_url: object, name: str = "webhook_url") -> None:
    """Check an address to which the server is to post; None is none. It may be secret, so it is not shown."""
    if webhook_url is None or (isinstance(webhook_url, str) and _is_public(webhook_url)):
        return
    if isinstance(webhook_url, str):
        raise ConfigurationError(f"{name} must be a public https address.")
    raise wrong(name, "a public https address", webhook_url)


def _is_public(address: str) -> bool:
    """Whether the server could post there; a loopback address is allowed for a sandbox."""
    if _BLANK.search(address) or not is_encodable(address):
        return False
    try:
        parts = urlsplit(address)
        # The port is read to be checked: it raises for one that is no number.
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_loopback = parts.scheme == "http" and host in {"localhost", "127.0.0.1", "::1"}
    return bool(host) and (parts.scheme == "https" or is_loopback)
