import signal

import pytest

pytestmark = pytest.mark.sockets


def test_the_sandbox_runs_until_ctrl_c_and_prints_what_to_export(cli, people):
    cli.write(people(3))
    process = cli.start("sandbox", "--port", "0", "--workflow-s", "0.05")
    lines = [process.stdout.readline().strip() for _ in range(2)]
    for line in lines:
        name, _, value = line.removeprefix("export ").partition("=")
        cli.env[name] = value
    assert cli("enrich", "in.csv", "-o", "out.csv", "-y").code == 0
    process.send_signal(signal.SIGINT)
    done = cli.finish(process)
    assert done.code == 0
    assert "3 contacts" in done.err
