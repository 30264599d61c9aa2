"""Events as lines of the log."""

from __future__ import annotations

from cleanlist_async.events import (
    Events,
    RateLimited,
)
from cleanlist_async.ratelimit import BucketState


def test_a_log_line_is_one_line_of_at_most_200_characters(caplog):
    state = BucketState("acme\nWARNING forged\u2028" + 300 * "x", 60, 42, 0, 0, 5.0, 5.0)
    Events().emit(RateLimited(1, "submit_bulk", 5.0, None, (state,), None))
    (record,) = caplog.records
    assert len(record.getMessage()) == 200
    assert len(record.getMessage().splitlines()) == 1
