"""Pipes as input and output, streams that are closed or whose reader leaves, no home, odd names of files."""

import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.cli.command_line import ROWS


@pytest.fixture
def shell(cli):
    """Runs a line of bash in which ``cli`` stands for the command; returns its exit code and output."""

    def run(line, **environment):
        command = f'cli() {{ {shlex.quote(sys.executable)} -m cleanlist_async "$@"; }}; {line}'
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=cli.folder,
            env=cli.env | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        text = (done.stdout + done.stderr).decode(errors="replace")
        assert "Traceback" not in text
        assert "unexpected" not in text
        return done.returncode, text

    return run


def fed(path, content):
    """Make a named pipe, and feed it once."""
    os.mkfifo(path)
    feeder = threading.Thread(target=path.write_bytes, args=(content,), daemon=True)
    feeder.start()
    return feeder


# -- pipes as input ----------------------------------------------------------------------------------


@pytest.fixture
def content(cli):
    cli.write(ROWS)
    return (cli.folder / "in.csv").read_bytes()


@pytest.mark.parametrize("command", ["plan", "validate"])
@pytest.mark.parametrize("name", ["pipe", "pipe.csv"])
def test_a_named_pipe_is_read_as_csv(cli, content, command, name):
    feeder = fed(cli.folder / name, content)
    assert cli(command, name).code == 0
    feeder.join(60)


def test_a_named_pipe_is_enriched(cli, serve, content):
    feeder = fed(cli.folder / "pipe", content)
    with serve():
        assert cli("enrich", "pipe", "-o", "out.csv", "--yes").code == 0
    feeder.join(60)
    assert [row["First Name"] for row in cli.results()] == ["Ada", "Bob"]


def test_a_named_pipe_is_imported_into_a_list(cli, serve, content):
    feeder = fed(cli.folder / "pipe", content)
    with serve():
        assert cli("list", "import", "--create", "Prospects", "pipe").code == 0
    feeder.join(60)


def test_a_job_needs_a_file_that_it_can_read_again(cli, serve, content):
    os.mkfifo(cli.folder / "pipe.csv")
    with serve():
        done = cli("job", "start", "pipe.csv", "--journal", "j", "--yes")
    assert done.code == 2
    assert "name a file" in done.error


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", ["cli plan <(cat in.csv)", "cat in.csv | cli plan /dev/stdin", "cat in.csv | cli plan -"]
)
def test_what_the_shell_pipes_in_is_read(shell, content, line):
    code, text = shell(line)
    assert (code, "contacts" in text) == (0, True)


@pytest.mark.parametrize("output", ["pipe", "pipe.csv", "/dev/null"])
@pytest.mark.parametrize("more", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_nothing_but_a_file_is_written(cli, serve, content, output, more):
    for name in ("pipe", "pipe.csv"):
        os.mkfifo(cli.folder / name)
    with serve() as sandbox:
        done = cli("enrich", "in.csv", "-o", output, "--yes", *more)
        assert not sandbox.ledger.contacts
    assert done.code == 1
    assert "no regular file" in done.error


# -- the format --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("csv", "First Name,Last Name,Website\nAda,Love,engine.example\n"),
        ("tsv", "First Name\tLast Name\tWebsite\nAda\tLove\tengine.example\n"),
        ("jsonl", '{"first_name": "Ada", "last_name": "Love", "company_domain": "engine.example"}\n'),
    ],
)
def test_the_format_of_a_file_whose_name_does_not_say_is_given(cli, serve, form, text):
    (cli.folder / "in.txt").write_text(text)
    refused = cli("plan", "in.txt")
    assert refused.code == 1
    assert "--format" in refused.error
    assert cli("plan", "in.txt", "--format", form).code == 0
    with serve():
        assert cli("list", "import", "--create", form, "in.txt", "--format", form).code == 0
        assert cli("job", "start", "in.txt", "--format", form, "--journal", "j", "--yes").code == 0
        assert cli("enrich", "in.txt", "--format", form, "-o", "out.csv", "--yes").code == 0
    assert len(cli.results()) == 1


def test_a_format_that_does_not_exist_is_refused(cli, content):
    done = cli("plan", "in.csv", "--format", "ods")
    assert done.code == 2
    assert "csv, tsv, jsonl" in done.error


# -- streams and folders that are missing ------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_does_not_keep_a_command_from_its_work(shell, cli, serve, content, closed):
    with serve():
        code, _ = shell(f"cli enrich in.csv -o out.csv --yes {closed}")
    assert code == 0
    assert len(cli.results()) == 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("option", ["", "--json"])
def test_an_output_that_is_full_is_one_line(shell, cli, serve, content, option):
    with serve():
        code, text = shell(f"cli plan in.csv {option} 2>&1 >/dev/full")
    assert code == 1
    assert "error: No space left on device" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_closed_standard_input_is_empty(shell):
    code, text = shell("cli plan - <&-")
    assert (code, "is empty" in text) == (1, True)


@pytest.mark.slow
def test_a_reader_of_standard_error_may_leave(shell, cli, serve, content):
    with serve():
        code, _ = shell("cli enrich in.csv -o out.csv --yes 2> >(true); exit $?")
    assert code == 0
    assert len(cli.results()) == 2


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("credits",), 0),
        (("enrich", "in.csv", "-o", "out.csv", "--yes"), 2),
        (("enrich", "in.csv", "-o", "out.csv", "--yes", "--store", "store.db"), 0),
        (("job", "start", "in.csv", "--journal", "j", "--yes"), 2),
        (("job", "start", "in.csv", "--journal", "j", "--yes", "--store", "store.db"), 0),
        (("doctor",), 1),
        (("limits", "show"), 2),
    ],
    ids=str,
)
def test_a_user_without_a_home_is_told_what_to_name(cli, serve, content, command, code, monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        cli.env.pop(name, None)
    monkeypatch.setattr("pathlib.Path.home", nowhere)
    with serve():
        done = cli(*command)
    assert done.code == code
    if code:
        assert "no home folder" in (done.out if command == ("doctor",) else done.error)


def test_a_name_that_is_not_utf8_is_read_and_written(cli, serve, content):
    given, written = os.fsdecode(b"in\xff.csv"), os.fsdecode(b"out\xff.csv")
    (cli.folder / given).write_bytes(content)
    with serve():
        assert cli("enrich", given, "-o", written, "--yes").code == 0
        assert cli("enrich", given, "-o", os.fsdecode(b"again\xff.csv"), "--yes", "--json").code == 0
    assert len(cli.results(written)) == 2


def test_a_missing_file_whose_name_is_not_utf8_is_named(cli):
    done = cli("plan", os.fsdecode(b"no\xff.csv"))
    assert done.code == 1
    assert "no" in done.error
