"""A short version of the crash tests of a store.

The whole: ``python -m tests.crash.store`` and ``python -m tests.crash.store_syscalls``.
"""

import pytest

from tests.crash import store, store_syscalls
from tests.crash.syscalls import is_available
from tests.crash.test_short import figure

pytestmark = pytest.mark.sockets

DOORS = ("--door", "enrich,enrich_one,job")
WITH_JOURNALS = ("--door", "enrich,enrich_one,job,journal")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request):
    if request.param == "postgres":
        pytest.importorskip("psycopg")
        from tests.support.postgres_server import skip_without_postgres

        skip_without_postgres()
    return request.param


def check(found, *, struck):
    """Nobody was bought twice, lost, or is in doubt without need; and each kind of fault did happen."""
    assert (found["dup"], found["lost"], found["beyond"]) == (0, 0, 0)
    assert len(found["struck"]) >= struck


def test_kills_at_statements_and_lines(database):
    found = figure(store, "--database", database, "--what", "kill,line", *WITH_JOURNALS, "--cases", "3")
    check(found, struck=8)
    assert found["unknown_cases"]


def test_a_store_that_fails_at_a_statement_or_from_there_on(database):
    found = figure(store, "--database", database, "--what", "refuse,away", *WITH_JOURNALS, "--cases", "2")
    check(found, struck=8)


def test_a_server_and_its_network_that_fail_at_statements():
    what = "terminate,restart,cut,hole,delay"
    found = figure(store, "--database", "postgres", "--what", what, *DOORS, "--cases", "1")
    check(found, struck=14)
    assert found["unknown_max"] == 0


@pytest.mark.skipif(not is_available(), reason="needs strace")
def test_kills_and_errors_at_system_calls(database):
    found = figure(store_syscalls, "--database", database, *DOORS, "--stride", "401")
    check(found, struck=4)
    assert found["paid_requests_after_a_store_failed"] == 0


def test_several_kills_one_after_the_other(database):
    found = figure(store, "--database", database, *DOORS, "--storms", "2")
    check(found, struck=3)


def test_an_owner_that_is_stopped_for_three_leases_while_another_takes_over(database):
    found = figure(store, "--database", database, "--what", "stop", *DOORS, "--cases", "1")
    check(found, struck=3)


@pytest.mark.smoke
def test_one_kill_at_a_statement():
    assert figure(store, "--only", "30")["struck"] == {"kill enrich": 1}
