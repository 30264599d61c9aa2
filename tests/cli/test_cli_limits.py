"""The limits file: runs that know of each other, and the commands that show and forget it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from cleanlist_async.cli.terminal.limits_file import limiter_of, limits_file
from cleanlist_async.ratelimit import Permit, RateLimiter, RateLimits
from cleanlist_async.ratelimit.shared.process import boot_clock
from tests.support.limited_wire import ROUTE, SUBMIT

pytestmark = pytest.mark.sockets


def hold(path: Path, count: int) -> list[Permit]:
    limiter = RateLimiter.sqlite(path)

    async def main() -> list[Permit]:
        return [await limiter.acquire(ROUTE, SUBMIT) for _ in range(count)]

    return asyncio.run(main())


def test_a_second_run_knows_of_the_first(cli, serve, tmp_path):
    path = tmp_path / "limits.db"
    with serve(window_s=60):
        for _ in range(2):
            assert cli("--limits-file", str(path), "credits").code == 0
        shown = cli.json("--limits-file", str(path), "limits", "show")
    assert shown["file"] == str(path)
    assert {(one["limit"], one["returning"]) for one in shown["buckets"]} == {(60, 2), (30, 2)}
    assert all(30 < one["next_return_in_s"] < 61 for one in shown["buckets"])


def test_a_sandbox_needs_no_file(cli, serve, tmp_path):
    with serve():
        assert cli("credits").code == 0
    assert not (tmp_path / "cache").exists()


def test_show_names_who_holds_and_reset_forgets(cli, tmp_path):
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


def test_a_file_that_cannot_be_used_ends_the_run_only_if_it_was_asked_for(cli, serve, tmp_path):
    with serve():
        broken = cli("--limits-file", str(tmp_path / "nowhere" / "limits.db"), "credits")
        assert broken.code == 2
        assert "limits.db" in broken.error


def test_by_default_it_is_used_for_the_real_api_and_its_real_limits(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CLEANLIST_LIMITS_FILE", raising=False)
    assert limiter_of(RateLimits(), on_loopback=True) is None
    assert limiter_of(RateLimits(window_s=6), on_loopback=False) is None
    assert limiter_of(RateLimits(), on_loopback=False) is limiter_of(RateLimits(), on_loopback=False)
    assert (tmp_path / "cleanlist-async" / "limits.db").exists()
    monkeypatch.setenv("CLEANLIST_LIMITS_FILE", "none")
    assert limiter_of(RateLimits(), on_loopback=False) is None
    assert limits_file() is None


def test_a_cache_directory_that_cannot_be_written_is_a_warning(monkeypatch, tmp_path, caplog):
    (tmp_path / "cleanlist-async").write_text("a file where a directory should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CLEANLIST_LIMITS_FILE", raising=False)
    assert limiter_of(RateLimits(), on_loopback=False) is None
    assert "do not know of each other" in caplog.text


@pytest.mark.smoke
def test_json_is_one_object(cli, tmp_path):
    cli.env["CLEANLIST_LIMITS_FILE"] = str(tmp_path / "limits.db")
    hold(tmp_path / "limits.db", 1)
    assert json.loads(cli("limits", "show", "--json").out)["waiting"] == []
