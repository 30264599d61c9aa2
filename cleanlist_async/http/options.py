"""How a call is made: its deadline, timeout, retries and pace."""

from __future__ import annotations

from dataclasses import dataclass

from cleanlist_async import facts
from cleanlist_async.checks import check_choice, check_seconds, check_whole, optional
from cleanlist_async.ratelimit import Pace


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What `with_options` can change, per call. Times in seconds; ``deadline_s`` covers everything."""

    deadline_s: float | None = None
    request_timeout_s: float = 60.0
    max_retries: int = facts.MAX_RETRIES
    pace: Pace = "auto"


def checked_options(options: CallOptions) -> CallOptions:
    """Return *options*."""
    check_seconds("request_timeout_s", options.request_timeout_s)
    optional(check_seconds, "deadline_s", options.deadline_s)
    check_whole("max_retries", options.max_retries)
    check_choice("pace", options.pace, ("auto", "burst", "smooth"))
    return options


def checked_deadline(deadline_s: float, clients: float | None) -> float:
    """Return the shorter of a call's deadline and its client's, in seconds."""
    check_seconds("deadline_s", deadline_s)
    return deadline_s if clients is None else min(deadline_s, clients)
