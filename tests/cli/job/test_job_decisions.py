import json

import pytest

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import FAST
from tests.cli.job.runs import RESUME, START, check, status_of
from tests.job.worlds import edit

pytestmark = pytest.mark.sockets


def test_an_unknown_chunk_is_held_until_it_is_resolved(cli, serve, people, look):
    cli.write(people(30))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        done = cli(*START, "-y", "-o", "out.csv", *FAST)
        assert done.code == 3, done.err
        assert "1 chunk is unknown" in done.err
        assert {row["cleanlist_status"] for row in cli.results()} == {"unknown"}
        assert cli(*RESUME, *FAST).code == 3
        check(sandbox, 30)
        shown = look("unknown", "run.journal")
        assert shown.code == 3
        assert "1 to 30" in shown.out
        assert "job resolve run.journal 1 --resubmit" in shown.err
        for bad in ((), ("--resubmit", "--abandon"), ("--absent",), ("--i-checked", "--abandon")):
            assert look("resolve", "run.journal", "1", *bad).code == 2
        assert look("resolve", "run.journal", "9", "--abandon").code == 1
        decided = json.loads(look("resolve", "run.journal", "1", "--resubmit", "--json").out)
        assert decided["credits_at_risk"] == 30
        assert look("unknown", "run.journal").code == 0
        done = cli(*RESUME, "-o", "out.csv", "--overwrite", *FAST)
        assert done.code == 0, done.err
        assert len(sandbox.ledger.contacts) == 60
    assert "unknown" not in {row["cleanlist_status"] for row in cli.results()}


@pytest.mark.parametrize("how", ["accepted", "absent", "abandon"])
def test_an_unknown_chunk_is_resolved_as_decided(cli, serve, people, look, how):
    cli.write(people(3))
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]) as sandbox:
        assert cli(*START, "-y", *FAST).code == 3
        workflow = sandbox.ledger.contacts[0].workflow_id
        answer = {"accepted": ("--accepted", workflow), "absent": ("--absent", "--i-checked")}
        done = look("resolve", "run.journal", "1", *answer.get(how, ("--abandon",)))
        assert done.code == 0, done.err
        assert cli(*RESUME, *FAST).code == 0
        assert len(sandbox.ledger.contacts) == (6 if how == "absent" else 3)
    assert status_of(look)["state"] == "complete"


def test_purge_leaves_no_contact_data(cli, serve, people, look):
    cli.write(people(60))
    with serve(hit_rate=1.0):
        assert cli(*START, "-y", "-o", "out.csv", "--cache", "bought", *FAST).code == 0
    emails = [row["cleanlist_email"].encode() for row in cli.results()]
    assert all(emails)
    path = cli.folder / "run.journal"
    assert emails[0] in path.read_bytes()
    asked = cli("job", "purge", "run.journal")
    assert asked.code == 2
    assert "--yes" in asked.error
    assert cli.answer("n\n", "job", "purge", "run.journal").code == 1
    assert emails[0] in path.read_bytes()
    assert look("purge", "run.journal", "--cache", "bought", "-y", "--json").code == 0
    for name in ("run.journal", "bought"):
        data = (cli.folder / name).read_bytes()
        assert not any(email in data for email in emails), name
        assert b"Ada" not in data
    assert status_of(look)["results"] == {"found": 60}
    gone = look("export", "run.journal", "in.csv", "-o", "gone.csv")
    assert gone.code == 1
    assert "purged" in gone.err
    assert not list(cli.folder.glob("gone*"))


def test_commands_to_copy_are_quoted_and_count_what_is_left(cli, serve, people, look):
    cli.write(people(3))
    (cli.folder / "in.csv").rename(cli.folder / "my in.csv")
    with serve(faults=[Fault("/enrich/bulk", when="after", reset=True)]):
        done = cli("job", "start", "my in.csv", "--journal", "my run", "-y", *FAST)
        assert "job unknown 'my run'" in done.err
        assert "job resolve 'my run' 1 --abandon" in look("unknown", "my run").err
        first = look("resolve", "my run", "1", "--accepted", "public_bulk_mistyped").err
        assert "job resume 'my run' 'my in.csv'" in first
    edit(cli.folder / "my run", "UPDATE chunks SET state = 'remote_expired'")
    second = look("resolve", "my run", "1", "--accepted", "public_bulk_right")
    assert "left" not in second.err
    assert "Resume the job:" in second.err
