"""Which reads need a connection of their own, so that the answer is theirs."""

from __future__ import annotations

from typing import Any, TypeVar

from cleanlist_async.http.calls import Call, Operation
from cleanlist_async.http.transport import Request

T = TypeVar("T")


class OwnConnections:
    """Learns which operations name in every answer what was asked about.

    On a kept connection, httpx can give one request's answer to the next. An operation whose answers might
    not show whose they are begins on connections of its own. Once an answer has named what was asked about,
    kept connections serve, where only such an answer is believed; once one has not, none ever again.
    """

    def __init__(self) -> None:
        self._names_itself: dict[str, bool] = {}

    def needed_for(self, operation: Operation[Any]) -> bool:
        """Whether a request of *operation* needs one."""
        return operation.own_connection and not self._names_itself.get(operation.name, False)

    def is_believed(self, call: Call[T], value: T, request: Request | None) -> bool:
        """Whether an answer to *request* is for *call*."""
        if not call.operation.own_connection:
            return call.belongs(value)
        name, is_named = call.operation.name, call.is_named_in(value)
        self._names_itself[name] = is_named and self._names_itself.get(name, True)
        came_alone = request is not None and request.own_connection
        return is_named or (came_alone and call.belongs(value))
