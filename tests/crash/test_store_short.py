"""A short version of the crash tests of a store; the whole: ``python -m tests.crash.store``."""

from __future__ import annotations

import pytest

from tests.crash import store
from tests.crash.test_short import figure

pytestmark = pytest.mark.sockets

DATABASES = ("sqlite", "postgres")


@pytest.fixture(params=DATABASES)
def database(request):
    if request.param == "postgres":
        pytest.importorskip("psycopg")
        from tests.support.postgres_server import skip_without_postgres

        skip_without_postgres()
    return request.param


def test_kills_at_statements(database):
    found = figure(store, "--database", database, "--what", "kill", "--stride", "9")
    assert found["struck"] >= 10
    assert (found["dup"], found["lost"]) == (0, 0)
    assert found["unknown_cases"]


def test_a_store_that_fails_at_statements(database):
    found = figure(store, "--database", database, "--what", "refuse", "--stride", "9")
    assert found["struck"] >= 8
    assert (found["dup"], found["lost"], found["unknown_max"]) == (0, 0, 0)


def test_a_backend_that_is_terminated_at_statements():
    found = figure(store, "--database", "postgres", "--what", "terminate", "--stride", "13")
    assert found["struck"] >= 6
    assert (found["dup"], found["lost"]) == (0, 0)


def test_several_kills_one_after_the_other(database):
    found = figure(store, "--database", database, "--storms", "8")
    assert found["struck"] >= 8
    assert (found["dup"], found["lost"]) == (0, 0)


def test_an_owner_that_is_stopped_for_three_leases_while_another_takes_over(database):
    stride = "9" if database == "sqlite" else "23"  # a file has no places within transactions
    found = figure(store, "--database", database, "--what", "stop", "--stride", stride, "--first", "4")
    assert found["struck"] >= 2
    assert (found["dup"], found["lost"]) == (0, 0)


def test_jobs_are_killed_at_statements_and_go_on_in_another_process(database):
    found = figure(store, "--door", "job", "--database", database, "--what", "kill", "--stride", "17")
    assert found["struck"] >= 10
    assert (found["dup"], found["lost"]) == (0, 0)
    assert found["unknown_cases"]


def test_jobs_go_on_after_their_store_failed_at_statements(database):
    found = figure(store, "--door", "job", "--database", database, "--what", "refuse", "--stride", "23")
    assert found["struck"] >= 8
    assert (found["dup"], found["lost"], found["unknown_max"]) == (0, 0, 0)


def test_the_runner_of_a_job_is_stopped_for_three_leases_while_another_takes_over(database):
    stride = "17" if database == "sqlite" else "41"
    options = ("--database", database, "--what", "stop", "--stride", stride, "--first", "9")
    found = figure(store, "--door", "job", *options)
    assert found["struck"] >= 2
    assert (found["dup"], found["lost"]) == (0, 0)


@pytest.mark.smoke
def test_one_kill_at_a_statement():
    assert figure(store, "--only", "30")["struck"] == 1
