"""The command ``doctor``."""

from __future__ import annotations

from dataclasses import replace

from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import end
from cleanlist_async.cli.terminal.option_groups import with_groups
from cleanlist_async.cli.terminal.options import AsJSON
from cleanlist_async.cli.terminal.render import open_console


@with_groups
def doctor(*, as_json: AsJSON = False, connection: Connection) -> None:
    """Check key, plan, scopes, credits, limits, store and connection.

    It says how to fix each problem.
    """
    from cleanlist_async.cli.doctor import examination

    # No request is repeated: the first failure is the finding.
    once = replace(connection, max_retries=0)
    end(examination.doctor(open_console(), once, as_json=as_json))
