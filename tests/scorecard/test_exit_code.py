"""The exit code of the scorecard: what a machine's speed decides is not in it."""

import pytest

from tests.scorecard import __main__ as scorecard
from tests.scorecard import tables
from tests.scorecard.figure import Figure

HELD, SLOW, MISSED = Figure("a", 0, 0), Figure("b", 60, 50, "ms"), Figure("c", 1, 0)


@pytest.mark.parametrize(
    ("figures", "code"),
    [([HELD], 0), ([HELD, SLOW], 0), ([MISSED, SLOW], 1), ([Figure("d", 65, 64, "MiB")], 1)],
)
def test_a_count_that_misses_its_limit_is_fatal_and_a_time_is_not(figures, code, monkeypatch, capsys):
    monkeypatch.setattr(tables, "figures", lambda *, long: figures)
    monkeypatch.setattr("sys.argv", ["scorecard", "tables"])
    assert scorecard.main() == code
    printed = capsys.readouterr().out
    assert ("slow    b: 60 ms (at most 50)" in printed) is (SLOW in figures)
    assert ("MISSED" in printed) is bool(code)
