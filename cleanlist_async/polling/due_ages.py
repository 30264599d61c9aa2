"""The age at which to ask about a workflow."""

from __future__ import annotations

import math
from typing import Any, Final

from cleanlist_async.polling.agenda import Workflow
from cleanlist_async.polling.estimator import DurationEstimator
from cleanlist_async.polling.webhook_signal import WebhookSignal
from cleanlist_async.polling.worth import ALMOST_SURE, SURE

# In windows: between two questions about one workflow, and from the last to when its caller gives up.
_SHORTEST_GAP: Final = 1 / 60
_LAST_LOOK: Final = 1 / 20
# The share of workflows that are done when one whose webhook stays away is asked about with an idle token:
# where it is known how long they take, and where it is not.
_SILENT: Final = 0.97
_BLANK_SILENT: Final = 0.64
# After this many workflows in a row without their webhook, the next are asked about as if they expected none.
_SILENT_SIGNALS: Final = 3


class DueAges:
    """Says at which age to ask, by what a question is worth and by what webhooks say.

    Attributes
    ----------
    silent_signals
        Workflows in a row whose webhook has not come.

    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self.silent_signals = _SILENT_SIGNALS - 1  # until one has come, a single missing one is enough

    def relies_on(self, signal: WebhookSignal[Any] | None) -> bool:
        """Whether to wait for a signal, as long as it may still come."""
        return signal is not None and signal.is_expected and self.silent_signals < _SILENT_SIGNALS

    def was_missed(self, signal: WebhookSignal[Any] | None) -> bool:
        """Note that a workflow ended without its signal; return whether signals are no longer relied on."""
        if not self.relies_on(signal):
            return False
        self.silent_signals += 1
        return not self.relies_on(signal)

    def of(self, workflow: Workflow, chance: float) -> float:
        """Return the age at which to ask about *workflow*, where a question is worth a token at *chance*."""
        last_s = workflow.last_age_s
        if workflow.signal is not None and workflow.signal.is_hint:
            return 0.0
        if not workflow.is_new:
            # The age of a workflow submitted elsewhere is unknown: ask at once, then more and more rarely.
            age_s = workflow.asked and 1.0 + 1.5 * last_s
        elif self.relies_on(workflow.signal):
            is_idle = chance <= ALMOST_SURE and not workflow.asked
            age_s = _silent_age(workflow.estimator, last_s, is_idle=is_idle)
        else:
            age_s = self._plain_age(workflow.estimator, last_s, chance)
        if (until := workflow.until()) is not None:
            gives_up_s = until - workflow.submitted_at
            last_look_s = gives_up_s - min(_LAST_LOOK * self._window_s, gives_up_s / 10)
            if last_s < last_look_s:
                age_s = min(age_s, last_look_s)
        return age_s

    def _plain_age(self, estimator: DurationEstimator, last_s: float, chance: float) -> float:
        if chance > 1:
            return math.inf
        age_s = estimator.age_of_chance(last_s, chance)
        if chance < SURE:  # the token would be back before much more were likely
            age_s = min(age_s, estimator.age_of_slow_growth(last_s))
        return max(age_s, last_s and last_s + _SHORTEST_GAP * self._window_s)


def _silent_age(estimator: DurationEstimator, last_s: float, *, is_idle: bool) -> float:
    if is_idle:
        return estimator.age_of(_BLANK_SILENT if estimator.is_blank else _SILENT)
    return estimator.silent_at(last_s)
