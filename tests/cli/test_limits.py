"""Shared limits: runs that know of each other, and the commands that show and forget what was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanlist_async.ratelimit import Permit, RateLimiter, RateLimits
from cleanlist_async.ratelimit.shared.backend import boot_clock
from tests.support.limited_wire import ROUTE, SUBMIT
from tests.support.redis_server import redis_server, skip_without, wait_until_old_enough

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


@pytest.fixture(params=["redis", "postgresql"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "redis":
        skip_without("redis-server")
        with redis_server() as server:
            wait_until_old_enough(server.url, LIMITS)
            yield server.url
        return
    with request.getfixturevalue("postgres").schema() as url:
        yield url


LIMITS = RateLimits(window_s=0.5)


@pytest.mark.slow
def test_runs_share_a_server_and_show_and_reset_work_there(cli, serve, address):
    cli.env["CLEANLIST_LIMITS"] = address
    assert cli.json("limits", "show")["buckets"] == []
    with serve(window_s=60):
        opened = RateLimiter.redis if address.startswith("redis") else RateLimiter.postgres
        limiter = opened(address, LIMITS)

        async def main() -> None:
            for _ in range(3):
                await limiter.acquire(ROUTE, SUBMIT)

        asyncio.run(main())
        shown = cli.json("limits", "show")
        assert {bucket["in_flight"] for bucket in shown["buckets"]} == {3}
        assert len(shown["holders"]) == 3
        assert cli("limits", "reset").code == 0
        after = cli.json("limits", "show")
        limiter.store.worker.reset()
    assert all(bucket["free"] == bucket["limit"] for bucket in after["buckets"])
    assert after["store"] in address


def test_a_server_that_is_away_ends_the_command_and_shows_no_password(cli):
    for address in ("redis://:p4ssw0rd@127.0.0.1:9", "postgresql://u:p4ssw0rd@127.0.0.1:9/x"):
        shown = cli("--limits", address, "limits", "show")
        assert shown.code == 5
        assert "p4ssw0rd" not in shown.out + shown.err
