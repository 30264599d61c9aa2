"""The command ``doctor``."""

from __future__ import annotations

from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import end
from cleanlist_async.cli.terminal.options import AsJSON, BaseURL, WindowS
from cleanlist_async.cli.terminal.render import open_console


def doctor(*, as_json: AsJSON = False, base_url: BaseURL = None, window_s: WindowS = None) -> None:
    """Check the key, plan, scopes, credits, clock, limits and connection, and say how to fix each problem."""
    from cleanlist_async.cli.doctor import examination

    connection = Connection(base_url, window_s, max_retries=0)
    end(examination.doctor(open_console(), connection, as_json=as_json))
