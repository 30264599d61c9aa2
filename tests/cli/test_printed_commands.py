"""Commands that messages print work as they are pasted: they have the options that lead to the same data."""

import re
import shlex

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST

pytestmark = pytest.mark.sockets

ENRICH = ("--limits", "none", "enrich", "in.csv", "-o", "out.csv", "-y", *FAST, "--store", "my store.db")
LOST = Fault("/enrich/bulk", nth=2, when="after", reset=True)


def printed(text):
    """Return the commands of a text, as a shell would split them."""
    found = re.findall(r"\bcleanlist-async (?=[a-z-]).*", text)
    return [shlex.split(command)[1:] for command in found]


def test_what_is_unknown_leads_to_the_same_store(cli, serve, people):
    cli.write(people(300))
    with serve() as sandbox:
        sandbox.add_fault(LOST)
        done = cli(*ENRICH)
        *others, shown = [command for command in printed(done.err) if "show" in command]
        assert all(other == shown for other in others)
        assert shown == ["--limits", "none", "store", "show", "--store", "my store.db"]
        seen = cli(*shown)
        named, absent = printed(seen.err)
        assert cli(*named).code == 2  # the id is for people to fill in
        assert cli(*absent).code == 0
        assert cli(*ENRICH).code == 0
        assert len(sandbox.ledger.contacts) == 350


def test_what_is_pending_is_collected_as_printed(cli, serve, people):
    cli.write(people(3))
    with serve() as sandbox:
        sandbox.add_fault(Fault("/enrich/status", status=400, times=100))
        done = cli(*ENRICH)
        assert done.code == 3
        (collect,) = [command for command in printed(done.err) if "collect" in command]
        sandbox.clear_faults()
        assert cli(*collect).code == 0


def test_a_paused_budget_is_resumed_in_the_same_store(cli, serve, people):
    cli.write(people(1))
    with serve():
        paused = cli("budget", "pause", "stop", "--store", "my store.db")
        (resume,) = printed(paused.err)
        refused = cli(*ENRICH)
        assert "cleanlist-async --limits none budget resume --store 'my store.db'" in refused.error
        assert cli(*resume).code == 0
        assert cli(*ENRICH).code == 0
