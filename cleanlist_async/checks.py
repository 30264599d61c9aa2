"""What the options of a client may be. All raise ConfigurationError for what cannot work."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING

from cleanlist_async.calls import CallOptions
from cleanlist_async.errors import ConfigurationError

if TYPE_CHECKING:
    from cleanlist_async.events import Listener


def checked_options(options: CallOptions) -> CallOptions:
    """Return *options*."""
    for seconds in (options.request_timeout_s, 1 if options.deadline_s is None else options.deadline_s):
        if not (_is_number(seconds) and seconds > 0):
            raise ConfigurationError("request_timeout_s and deadline_s must be more than 0 seconds.")
    if not (_is_number(options.max_retries) and options.max_retries >= 0):
        raise ConfigurationError("max_retries must be a number, and not negative.")
    if options.pace not in {"auto", "burst", "smooth"}:
        raise ConfigurationError(f"pace is 'auto', 'burst' or 'smooth', not {options.pace!r}.")
    return options


def checked_listener(listener: Listener | None) -> Listener | None:
    """Return *listener*."""
    if listener is not None and (not callable(listener) or iscoroutinefunction(listener)):
        raise ConfigurationError("on_event must be a plain function of one event, not an async one.")
    return listener


def checked_deadline(deadline_s: float, clients: float | None) -> float:
    """Return the shorter of a call's deadline and its client's, in seconds."""
    if not (_is_number(deadline_s) and deadline_s > 0):
        raise ConfigurationError("deadline_s must be more than 0 seconds.")
    return deadline_s if clients is None else min(deadline_s, clients)


def check_max_queued(contacts: int) -> None:
    """Check how many contacts may wait for their request."""
    if not (_is_number(contacts) and contacts >= 1):
        raise ConfigurationError("max_queued must be a number of contacts, at least 1.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
