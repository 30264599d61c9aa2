"""Reports what differs from the documentation in answers, each difference once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from cleanlist_async.errors import APIError
from cleanlist_async.events import AnswerDrifted, Event, UnknownPart, identifier
from cleanlist_async.http.calls import Call
from cleanlist_async.http.error_codes import BY_CODE

FindUnknown = Callable[[object], Iterable[tuple[Literal["field", "word"], str]]]

_MOST_REPORTED: Final = 200


class Drift:
    """Finds parts of answers that this version does not know, and passes an event for each to *emit*."""

    def __init__(self, emit: Callable[[Event], None], find_unknown: FindUnknown) -> None:
        self._emit = emit
        self._find_unknown = find_unknown
        self._reported: set[str] = set()

    def lost_rows(self, call: Call[Any], rows: int) -> None:
        """Report an answer that was not quite JSON, and how many of its rows were lost by that."""
        self._emit(AnswerDrifted(call.operation.name, rows))

    def look_at(self, call: Call[Any], value: object) -> None:
        """Report what is unknown in an answer."""
        for kind, name in self._find_unknown(value):
            if len(self._reported) >= _MOST_REPORTED:
                return  # an answer may hold a hundred thousand new names
            self._report(call, kind, name)

    def look_at_error(self, call: Call[Any], error: APIError) -> None:
        """Report a code of the modern envelope that is not documented."""
        if error.envelope == "error" and error.code.casefold() not in BY_CODE:
            self._report(call, "word", f"error.code={error.code}")

    def _report(self, call: Call[Any], kind: Literal["field", "word"], name: str) -> None:
        name = identifier(name)  # the server may have put a contact where a name belongs
        if name not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(name)
            self._emit(UnknownPart(call.operation.name, kind, name))
