import signal

from cleanlist_async.sandbox import Fault
from tests.cli.command_line import until


def test_ctrl_c_reports_that_the_server_may_have_done_it(cli, serve):
    with serve(faults=[Fault("*/lead-lists", delay_s=20.0)]) as sandbox:
        process = cli.start("list", "create", "Prospects")
        until(lambda: sandbox.ledger.requests)
        process.send_signal(signal.SIGINT)
        done = cli.finish(process)
    assert done.code == 130
    assert "may have done" in done.error
