"""The calendar and the words of a budget. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async import Budget, BudgetExceededError, ConfigurationError
from cleanlist_async.storage.store.budget import QUARTER_S, pause_of
from tests.support.cases import each_case

NEW_YEARS_EVE = datetime(2026, 12, 31, 23, 30, tzinfo=UTC).timestamp()


def test_a_day_and_a_month_begin_in_the_time_zone_of_the_budget():
    day, month = Budget(per_day=5, per_month=100, tz="Europe/Berlin").periods(NEW_YEARS_EVE)

    assert (day.name, day.limit, month.name, month.limit) == ("day", 5, "month", 100)
    assert day.start.isoformat() == month.start.isoformat() == "2027-01-01T00:00:00+01:00"
    assert day.end.isoformat() == "2027-01-02T00:00:00+01:00"
    assert month.end.isoformat() == "2027-02-01T00:00:00+01:00"


def test_the_day_on_which_the_clock_is_changed_has_its_own_length():
    noon = datetime(2026, 3, 29, 12, tzinfo=UTC).timestamp()

    day, _ = Budget(tz="Europe/Berlin").periods(noon)

    assert day.end.timestamp() - day.start.timestamp() == timedelta(hours=23).total_seconds()


@settings(deadline=None)
@given(
    now=st.floats(0, 4e9),
    tz=st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "Pacific/Apia"]),
)
def test_every_moment_is_in_its_day_which_consists_of_quarter_hours(now, tz):
    day, month = Budget(tz=tz).periods(now)

    assert month.start <= day.start
    assert day.end <= month.end
    assert day.start.timestamp() <= now < day.end.timestamp()
    if now > 1e9:  # older days may begin at odd seconds
        assert day.start.timestamp() % QUARTER_S == 0


@each_case(
    "values, name",
    [
        ({"per_day": -1}, "per_day"),
        ({"per_month": float("nan")}, "per_month"),
        ({"per_day": "5"}, "per_day"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": ""}, "tz"),
        ({"tz": "../etc/passwd"}, "tz"),
    ],
)
def test_a_budget_that_is_none_is_refused(values, name):
    with pytest.raises(ConfigurationError, match=name):
        Budget(**values)


def test_a_budget_reads_as_a_sentence():
    assert str(Budget(per_day=500, per_month=10_000)) == "500 credits a day and 10,000 credits a month (UTC)"
    assert str(Budget(per_month=0.5, tz="Asia/Tokyo")) == "0.5 credits a month (Asia/Tokyo)"
    assert str(Budget()) == "no limit"


def test_the_error_names_the_period_its_limit_what_is_committed_and_when_it_ends():
    day, _ = Budget(per_day=10).periods(NEW_YEARS_EVE)

    error = day.exceeded(11.0)

    assert type(error) is BudgetExceededError
    assert (error.period, error.max_credits, error.committed_credits) == ("day", 10, 0)
    assert error.period_ends_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert "11 credits" in str(error)
    assert "2027-01-01T00:00:00+00:00" in str(error)
    assert (error.billed, error.retryable) == ("no", False)


def test_the_error_of_a_pause_says_why_and_by_whom():
    pause = pause_of("a bug in the importer", "ada", 0.0)

    error = pause.error()

    assert isinstance(error, BudgetExceededError)
    assert (error.reason, error.actor) == ("a bug in the importer", "ada")
    assert "paused by ada since 1970-01-01T00:00:00+00:00: a bug in the importer" in str(error)
