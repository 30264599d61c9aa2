"""How the latest attempt of a wait failed: what a wait that ends without a result is to say."""

from __future__ import annotations

import logging
from typing import Final

from cleanlist_async.errors import APIError, CleanlistError, NotFoundError, RateLimitError
from cleanlist_async.redact import one_line

_LONGEST_PROBLEM: Final = 110

log: Final = logging.getLogger("cleanlist_async")


class LatestFailure:
    """Follows the attempts of all calls that one wait makes.

    Attributes
    ----------
    error
        That of the latest attempt; None if that succeeded, or there was none.

    """

    __slots__ = ("_is_logged", "error")

    def __init__(self) -> None:
        self.error: CleanlistError | None = None
        self._is_logged = False

    def note(self, operation: str, error: CleanlistError | None) -> None:
        """Take in how an attempt of an operation ended; the first that failed is logged."""
        self.error = error
        # A 429 and an unknown outcome have warnings of their own, and a 404 means that a replica lags.
        if error is None or not error.retryable or isinstance(error, RateLimitError | NotFoundError):
            return
        if not self._is_logged:
            self._is_logged = True
            log.warning("an attempt of %s failed: %s", operation, _without_contacts(error))

    def words(self) -> str:
        """Return the sentence to append to what a wait that is over says; empty if no attempt has failed."""
        if (error := self.error) is None:
            return ""
        code = f" ({error.status} {error.code})" if isinstance(error, APIError) and error.status else ""
        return f" The last attempt failed: {error.problem.rstrip('.')}{code}."


def _without_contacts(error: CleanlistError) -> str:
    # The server's own words may quote contacts.
    if isinstance(error, APIError):
        from cleanlist_async.events import identifier

        return f"{error.status} {identifier(error.code)}"
    return one_line(error.problem, _LONGEST_PROBLEM)
