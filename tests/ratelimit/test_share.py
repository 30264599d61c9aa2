"""Shares of the limits for when the server is away: together never more than the limits, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async.ratelimit import RateLimits
from cleanlist_async.ratelimit.shared.backend import BackendUnavailableError, Process, SyncAnswer, SyncRequest
from cleanlist_async.ratelimit.shared.data_loss import SHARE_KEPT_S, Share, StoredPool
from cleanlist_async.ratelimit.shared.remote import Apply, RemoteLimits, without_unused_keys
from tests.support.examples import examples
from tests.support.hand_clock import HandClock
from tests.support.shared_stores import finish

PROCESSES = 7
LIMITS = st.builds(RateLimits, org=st.integers(1, 12), key=st.integers(1, 12))
STEPS = st.lists(
    st.tuples(
        st.integers(0, PROCESSES - 1), st.booleans(), st.sampled_from([0.0, 0.0, 1.0, 200.0, SHARE_KEPT_S])
    ),
    min_size=5,
    max_size=60,
)


class ServerInMemory(RemoteLimits):
    """What several processes share is in *content*; an answer may be lost after it was written."""

    def __init__(self, limits: RateLimits, clock: HandClock, content: dict[str, str]) -> None:
        super().__init__("the server", limits, clock)
        self.content = content
        self.loses_answers = False

    async def change(
        self, organization: str, names: Collection[str], apply: Apply
    ) -> tuple[SyncAnswer, StoredPool]:
        stored = [json.loads(self.content["pool"])] if self.content else []
        server = self.server("run", self.clock(), float("-inf"))
        pool, kept = self.read(organization, stored, server)
        answer = apply(pool, kept, server.now)
        kept["pool"] = without_unused_keys(pool, answer)
        self.content["pool"] = json.dumps(kept)
        if self.loses_answers:
            raise BackendUnavailableError("the answer is lost")
        return answer, kept

    async def stored(self) -> tuple[Mapping[str, StoredPool], Sequence[tuple[str, str]], float]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """There is nothing to close."""


def sync(process: ServerInMemory, name: str, *, answer_is_lost: bool = False) -> None:
    process.loses_answers = answer_is_lost
    try:
        finish(process.sync(SyncRequest(Process(name, 1, "here"), "org", f"{name}-lease")))
    except BackendUnavailableError:
        assert answer_is_lost


def shares(processes: Sequence[ServerInMemory]) -> list[Share]:
    return [process.history.share("org", f"p{number}") for number, process in enumerate(processes)]


@given(LIMITS, STEPS)
@settings(max_examples=examples(100))
def test_all_shares_together_never_exceed_the_limits(
    limits: RateLimits, steps: list[tuple[int, bool, float]]
) -> None:
    clock, content = HandClock(), dict[str, str]()
    processes = [ServerInMemory(limits, clock, content) for _ in range(PROCESSES)]
    for number, answer_is_lost, later_s in steps:
        sync(processes[number], f"p{number}", answer_is_lost=answer_is_lost)
        clock.now += later_s
        given_out = shares(processes)
        assert sum(share.org for share in given_out) <= limits.org
        assert sum(share.key for share in given_out) <= limits.key


def test_processes_that_sync_have_all_of_the_limits_in_equal_shares() -> None:
    clock, content = HandClock(), dict[str, str]()
    processes = [ServerInMemory(RateLimits(org=60, key=30), clock, content) for _ in range(5)]
    for _ in range(3):
        for number, process in enumerate(processes):
            sync(process, f"p{number}")
    assert shares(processes) == [Share(12, 6)] * 5


def test_a_forked_process_has_no_share_of_its_parent() -> None:
    process = ServerInMemory(RateLimits(), HandClock(), {})
    sync(process, "parent")
    assert process.history.share("org", "parent") == Share(60, 30)
    assert process.history.share("org", "child") == Share(0, 0)
