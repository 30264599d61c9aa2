import json
import signal

import pytest

from tests.cli.command_line import FAST, ROWS, new_list, until


@pytest.fixture
def start(cli, serve):
    cli.write(ROWS)

    def start(**options):
        return serve(**options)

    return start


def fill(cli):
    list_id = new_list(cli)
    assert cli("list", "import", list_id, "in.csv").code == 0
    return list_id, ("agents", "run", list_id, "--column", "Hook", "--prompt", "Write a hook", *FAST)


def test_a_run_is_priced_asked_for_run_and_shown(cli, start):
    with start() as sandbox:
        _, run = fill(cli)
        alone = cli(*run)
        no = cli.answer("n\n", *run)
        assert sandbox.ledger.credits_charged == 0
        assert not sandbox.ledger.requests_of("*/smart-agents/run")
        done = cli.answer("y\n", *run)
        assert sandbox.ledger.credits_charged == 2
    assert (alone.code, no.code, done.code) == (2, 1, 0), done.err
    assert "2 credits" in alone.error
    assert "2 leads: 2 credits; the balance is 1,000,000." in done.err
    assert "Write a hook [Ada Love]" in done.out
    assert "done    2 of 2, 0 failed" in done.out


def test_no_more_than_max_credits_is_spent(cli, start):
    with start() as sandbox:
        _, run = fill(cli)
        over = cli(*run, "--max-credits", "1")
        assert sandbox.ledger.credits_charged == 0
        answer = cli.json(*run, "--max-credits", "2")
    assert over.code == 3
    assert "--max-credits is 1" in over.error
    assert answer["stopped_by"] is None
    assert {row["value"] for row in answer["run"]["results"]} == {
        "Write a hook [Ada Love]",
        "Write a hook [Bob Low]",
    }
    assert answer["started"]["smart_agent_task_id"] == answer["run"]["smart_agent_task_id"]


def test_show_one_run_and_all_runs(cli, start):
    with start(workflow_s=0.5):
        list_id, run = fill(cli)
        begun = cli.json(*run, "--yes", "--no-wait")
        assert begun["run"] is None
        id_ = begun["started"]["smart_agent_task_id"]
        assert id_ in cli("agents", "show", id_).out
        shown = cli.json("agents", "show", id_, "--wait", *FAST)
        assert shown["run"]["status"] == "completed"
        assert shown["run"]["succeeded"] == 2
        table = cli("agents", "show").out.splitlines()
        assert table[1].split()[:4] == [id_, list_id, "Hook", "custom_ai"]
        assert cli.json("agents", "show", "--list", list_id)["runs"][0]["task_id"] == id_
        assert cli("agents", "show", "no-such-run").code == 4


def test_ctrl_c_says_how_to_show_the_run_again(cli, start):
    with start(workflow_s=30.0) as sandbox:
        _, run = fill(cli)
        process = cli.start(*run, "--yes", "--json")
        until(
            lambda: [
                one for one in sandbox.ledger.requests if one.path.rpartition("/")[0].endswith("agents")
            ][1:]
        )
        process.send_signal(signal.SIGINT)
        done = cli.finish(process)
        assert done.code == 130, done.err
        id_ = json.loads(done.out)["started"]["smart_agent_task_id"]
        assert f"agents show {id_}" in done.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--column", "Hook"), "needs a prompt"),
        (("--column", "Hook", "--type", "poet"), "agent_type"),
        (("--column", "x" * 101, "--prompt", "p"), "column_name"),
        (("--column", "Hook", "--prompt", "p", "--max-rows", "10001"), "max_rows"),
    ],
)
def test_wrong_options_of_a_run_are_refused(cli, serve, args, says):
    with serve() as sandbox:
        done = cli("agents", "run", "some-list", *args, "--yes")
        assert sandbox.ledger.requests == []
    assert done.code == 4
    assert says in done.error
