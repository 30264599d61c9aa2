import pytest

from cleanlist_async.cli.doctor import local as doctor
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.shared_limits import limiter_of, shared_limits
from cleanlist_async.ratelimit import RateLimits

pytestmark = pytest.mark.sockets


def test_two_runs_share_the_limits_file(cli, serve, tmp_path):
    path = tmp_path / "limits.db"
    with serve(window_s=60):
        for _ in range(2):
            assert cli.apart("--limits-file", str(path), "credits").code == 0
        shown = cli.json("--limits-file", str(path), "limits", "show")
    assert shown["file"] == str(path)
    assert {(one["limit"], one["returning"]) for one in shown["buckets"]} == {(60, 2), (30, 2)}
    assert all(30 < one["next_return_in_s"] < 61 for one in shown["buckets"])


def test_a_sandbox_needs_no_file(cli, serve, tmp_path):
    with serve():
        assert cli("credits").code == 0
    assert not (tmp_path / "cache").exists()


def test_a_file_that_cannot_be_used_ends_the_run_only_if_it_was_asked_for(cli, serve, tmp_path):
    with serve():
        broken = cli("--limits-file", str(tmp_path / "nowhere" / "limits.db"), "credits")
        assert broken.code == 2
        assert "limits.db" in broken.error


def test_by_default_it_is_used_for_the_real_api_and_its_real_limits(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CLEANLIST_LIMITS", raising=False)
    monkeypatch.delenv("CLEANLIST_LIMITS_FILE", raising=False)
    assert limiter_of(RateLimits(), on_loopback=True) is None
    assert limiter_of(RateLimits(window_s=6), on_loopback=False) is None
    assert limiter_of(RateLimits(), on_loopback=False) is limiter_of(RateLimits(), on_loopback=False)
    assert (tmp_path / "cleanlist-async" / "limits.db").exists()
    monkeypatch.setenv("CLEANLIST_LIMITS", "none")
    assert limiter_of(RateLimits(), on_loopback=False) is None
    assert shared_limits() is None


def test_a_cache_directory_that_cannot_be_written_is_a_warning(monkeypatch, tmp_path, caplog):
    (tmp_path / "cleanlist-async").write_text("a file where a directory should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CLEANLIST_LIMITS", raising=False)
    monkeypatch.delenv("CLEANLIST_LIMITS_FILE", raising=False)
    assert limiter_of(RateLimits(), on_loopback=False) is None
    assert "does not share its rate limits" in caplog.text


def doctors_word(cli, *limits):
    answer = cli.json(*limits, "doctor")
    return next(check for check in answer["checks"] if check["name"] == "shared limits")


def test_the_doctor_says_why_nothing_is_shared(cli, serve):
    with serve():
        assert "for a server on this machine" in doctors_word(cli)["detail"]
        assert "as was asked for" in doctors_word(cli, "--limits", "none")["detail"]


@pytest.mark.parametrize("cache", ["usable", "unusable"])
def test_the_doctor_names_the_file_that_commands_share_or_that_it_cannot_be_used(
    monkeypatch, tmp_path, cache
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CLEANLIST_LIMITS", raising=False)
    monkeypatch.delenv("CLEANLIST_LIMITS_FILE", raising=False)
    if cache == "unusable":
        (tmp_path / "cleanlist-async").write_text("a file where a directory should be")
    found = doctor.limits(Connection(base_url="https://api.example"))
    if cache == "usable":
        assert (found.status, found.detail) == ("ok", f"{tmp_path / 'cleanlist-async' / 'limits.db'}.")
    else:
        assert found.status == "unknown"
        assert "cannot be used" in found.detail


@pytest.mark.parametrize("place", ["http://host/x", "mysql://host/x"])
def test_an_address_of_something_else_is_refused(cli, place):
    assert "redis:// or postgresql://" in cli("--limits", place, "limits", "show").error


@pytest.mark.parametrize("option", ["--limits", "--limits-file"])
def test_both_names_of_the_option_name_the_file(cli, tmp_path, option):
    shown = cli.json(option, str(tmp_path / "limits.db"), "limits", "show")
    assert shown["file"] == str(tmp_path / "limits.db")
