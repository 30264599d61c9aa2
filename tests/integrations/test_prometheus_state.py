"""The state of clients as one process writes it for prometheus_client's multiprocess mode."""

from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry

from cleanlist_async.integrations.metrics import WEBHOOKS_EXPECTED, Measurement
from cleanlist_async.integrations.prometheus import _ProcessState


class Receivers:
    """Receivers of webhooks, which note who reads them."""

    def __init__(self) -> None:
        self.expected = 0
        self.readers: list[threading.Thread] = []

    def read(self) -> list[Measurement]:
        self.readers.append(threading.current_thread())
        return [Measurement(WEBHOOKS_EXPECTED, self.expected)]


def test_what_is_new_is_counted_by_one_thread_alone():
    registry, receivers = CollectorRegistry(), Receivers()
    state = _ProcessState(registry, receivers.read)
    receivers.expected = 3
    state.keep_writing()
    state.keep_writing()  # as for a second client: meanwhile the thread may look, and would count it too
    assert receivers.readers == [threading.current_thread()]
    assert registry.get_sample_value("cleanlist_webhooks_expected_total") == 3
