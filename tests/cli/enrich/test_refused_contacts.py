"""Contacts that the server refuses: they were sent, and the same command would not help them."""

import math

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST

pytestmark = pytest.mark.sockets


def test_contacts_that_are_refused_read_so_and_no_command_is_advised_that_cannot_help(cli, serve, people):
    cli.write(people(4))
    detail = [{"type": "value_error", "loc": ["body", "contacts", 1], "msg": "not a person"}]
    with serve() as sandbox:
        sandbox.add_fault(Fault("/enrich/bulk", status=422, body={"detail": detail}, times=math.inf))
        done = cli("enrich", "in.csv", "-o", "out.csv", "-y", *FAST)
    assert done.code == 4
    assert "3 refused by the server" in " ".join(done.err.split())
    assert "correct the input" in done.err
    assert "cleanlist-async enrich" not in done.err
