"""The limits file: runs that know of each other, and the commands that show and forget it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from cleanlist_async.ratelimit import Permit, RateLimiter
from cleanlist_async.ratelimit.shared.process import boot_clock
from tests.support.limited_wire import ROUTE, SUBMIT

pytestmark = pytest.mark.sockets


def hold(path: Path, count: int) -> list[Permit]:
    limiter = RateLimiter.sqlite(path)

    async def main() -> list[Permit]:
        return [await limiter.acquire(ROUTE, SUBMIT) for _ in range(count)]

    return asyncio.run(main())


def test_show_names_the_processes_that_hold_tokens_and_reset_forgets_them(cli, tmp_path):
    path = tmp_path / "limits.db"
    cli.env["CLEANLIST_LIMITS_FILE"] = str(path)
    assert "nothing was sent" in cli("limits", "show").err
    permits = hold(path, 3)
    permits[0].answered(boot_clock())
    shown = cli.json("limits", "show")
    assert [holder["state"] for holder in shown["holders"]] in (["alive"] * 2, ["alive"] * 3)
    table = cli("limits", "show").out
    assert "org_test" in table
    assert "holder (pid)" in table
    assert cli("limits", "reset").code == 0
    after = cli.json("limits", "show")["buckets"]  # one that lives may have called by since
    assert all(bucket["free"] == bucket["limit"] for bucket in after)
    assert all(bucket["free"] < bucket["limit"] for bucket in shown["buckets"])


@pytest.mark.smoke
def test_limits_json_is_one_object(cli, tmp_path):
    cli.env["CLEANLIST_LIMITS_FILE"] = str(tmp_path / "limits.db")
    hold(tmp_path / "limits.db", 1)
    assert json.loads(cli("limits", "show", "--json").out)["waiting"] == []
