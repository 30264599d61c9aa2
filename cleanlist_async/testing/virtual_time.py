"""An asyncio event loop whose clock jumps: hours of waiting pass in milliseconds, always the same way."""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import Context
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, TypeVarTuple

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.ratelimit.dispatcher import running_loop

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_TASKS_SHOWN = 10
_STEP_S, _TIMES_SET_FOR_NOW = 1e-6, 20


class DeadlockError(RuntimeError):
    """Nothing is ready and no timer is set: in real time the program would hang for ever."""


def run(main: Coroutine[object, object, T]) -> T:
    """Run ``main`` like :func:`asyncio.run`, in virtual time that starts at 0.0 seconds.

    Left-over tasks are cancelled and asynchronous generators closed.

    Raises
    ------
    DeadlockError
        Every task waits for something that cannot come; the message says where each one waits.
    ConfigurationError
        Another event loop runs already, such as that of an ``async def`` test.
    """
    if running_loop() is not None:
        main.close()  # Python would warn that it was never awaited
        raise ConfigurationError(
            "Virtual time has an event loop of its own, and another one runs here already.",
            fix="Call it in a plain function: a test that is `def`, not `async def`.",
        )
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop that never waits: when nothing is ready, :meth:`time` becomes the next timer's time.

    Timers due at the same time run in the order in which they were set. There is no I/O in virtual
    time: real sockets are refused. What is meant for a worker thread runs at once in the loop's own
    thread, since the answer of another would come at an arbitrary time.
    """

    # asyncio's own fields, the same on every supported Python; typeshed does not show them.
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float

    def __init__(self) -> None:
        self._now = 0.0
        self._set_for_now: Counter[Callable[..., object]] = Counter()
        super().__init__(_JumpingSelector(self))
        # After super(), which sets the resolution of the machine's clock.
        self._set_time(0.0)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call ``callback`` at virtual time ``when``, after all timers set earlier for that time.

        The same call, set again and again for the present, comes a microsecond later.
        """
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        # In reality some time passes meanwhile. Without that, a callback that sets its timer anew until a
        # time is past, and is kept from it by rounding, would do so for ever: aiolimiter does.
        if when < self._now + _STEP_S:
            self._set_for_now[callback] += 1
            if self._set_for_now[callback] > _TIMES_SET_FOR_NOW:
                when = self._now + _STEP_S
        timer = _OrderedTimer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        return timer

    def run_in_executor(self, executor: object, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Call ``func(*args)`` now, and return its outcome as a future."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as problem:  # noqa: BLE001  # it belongs to whoever awaits it
            done.set_exception(problem)
        return done

    def jump(self) -> None:
        """Move the clock to the next timer. asyncio has just dropped the cancelled ones before it."""
        if not self._scheduled or self._scheduled[0].when() == math.inf:  # anyio.sleep_forever()
            raise DeadlockError(_describe_deadlock(self))
        # A timer may be set for a time that has passed.
        self._set_time(max(self._now, self._scheduled[0].when()))

    def _set_time(self, now: float) -> None:
        self._now = now
        self._set_for_now.clear()
        # asyncio runs the timers before now + resolution. The next float is the one bound that never
        # runs a timer early, and never misses one that is due, however large the time has become.
        self._clock_resolution = math.ulp(now)


class _OrderedTimer(asyncio.TimerHandle):
    """A timer that remembers its turn, since a heap forgets the order of equal elements."""

    __slots__ = ("_turn",)

    _turns: ClassVar = count()
    _scheduled: bool

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._turn = next(self._turns)
        self._scheduled = True  # so that the loop counts its cancellation and clears the heap in time

    def __lt__(self, other: asyncio.TimerHandle) -> bool:
        # asyncio may hold timers of its own class, which have no turn.
        if isinstance(other, _OrderedTimer) and self.when() == other.when():
            return self._turn < other._turn
        return self.when() < other.when()


class _JumpingSelector(selectors.SelectSelector):
    """Where a loop waits for I/O or the next timer; this one moves the clock instead of waiting."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        if self.get_map():  # the loop's own wake-up pipe comes first
            raise RuntimeError("Virtual time has no real I/O: use MemoryNetwork, or a real event loop")
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # With 0 something is ready to run, so no time passes.
        if timeout is None or timeout > 0:
            self._loop.jump()
        return []


def _describe_deadlock(loop: asyncio.AbstractEventLoop) -> str:
    # In the same order in every run, unlike the set of tasks.
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    lines = [f"  {task.get_name()} at {_place(task)}" for task in tasks[:_TASKS_SHOWN]]
    if len(tasks) > _TASKS_SHOWN:
        lines.append(f"  and {len(tasks) - _TASKS_SHOWN} more")
    heading = f"Nothing is ready and no timer is set at virtual time {loop.time():g} s; waiting:"
    return "\n".join([heading, *lines])


def _place(task: asyncio.Task[object]) -> str:
    """Where the task waits: the innermost line that is not the machinery's own."""
    coroutine: object = task.get_coro()
    place = "its start"
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in {"asyncio", "anyio"}:
            place = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        coroutine = getattr(coroutine, "cr_await", None)
    return place
