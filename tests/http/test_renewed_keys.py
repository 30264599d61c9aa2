"""Keys that change while a client is in use: a function or a file is read again when one is refused."""

from __future__ import annotations

import asyncio

import pytest

from cleanlist_async import AsyncCleanlist, AuthenticationError, ConfigurationError
from cleanlist_async.testing.virtual_client import VirtualCleanlist
from tests.support.virtual_sandbox import check_against_ledger, people

OLD, NEW = "clapi_old_key_1", "clapi_new_key_2"
JWT = "eyJhbGci.eyJzdWIi.c2ln"
both = pytest.mark.world(api_keys=(OLD, NEW))


class Vault:
    """Counts how often its key is asked for."""

    def __init__(self, *keys: str) -> None:
        self.keys, self.asked = list(keys), 0

    def __call__(self) -> str:
        self.asked += 1
        return self.keys[min(self.asked, len(self.keys)) - 1]


def client_with(world, api_key) -> VirtualCleanlist:
    return VirtualCleanlist(world.network, api_key, limiter=world.client._runtime.shared.limiter)


@both
async def test_a_refused_key_is_asked_for_again_and_the_calls_go_on(world):
    vault = Vault(OLD, NEW)
    async with client_with(world, vault) as client:
        await client.public.credits_balance()
        world.sandbox.revoke(OLD)
        answers = await asyncio.gather(*(client.public.credits_balance() for _ in range(8)))
        await client.workspace.whoami()
    assert len(answers) == 8
    assert vault.asked == 2


@both
async def test_a_run_whose_key_changes_in_the_middle_buys_everything_once(world):
    async with client_with(world, Vault(OLD, NEW)) as client:
        world.sandbox.revoke(OLD)
        report = await client.enrich(people(600))
    check_against_ledger(world, report.results)


@both
async def test_workflows_of_the_key_before_are_asked_about_with_the_new_one(world):
    async with client_with(world, Vault(OLD, NEW)) as client:
        submitted = await client.public.submit_bulk(people(2))
        world.sandbox.revoke(OLD)
        status = await client.public.bulk_status(workflow_id=submitted.workflow_id)
    assert status.workflow_id == submitted.workflow_id


async def test_a_key_that_is_still_the_same_is_refused_with_its_error(world):
    vault = Vault(OLD)
    async with client_with(world, vault) as client:
        with pytest.raises(AuthenticationError):
            await client.public.credits_balance()
    assert vault.asked == 2


async def test_keys_that_are_all_refused_end_a_call(world):
    vault = Vault(*(f"clapi_bad_key_{number}" for number in range(100)))
    async with client_with(world, vault) as client:
        with pytest.raises(AuthenticationError):
            await client.public.credits_balance()
    assert vault.asked <= 3


@pytest.mark.world(jwts=(JWT,))
async def test_a_session_token_is_renewed_too(world):
    async with client_with(world, Vault("eyJhbGci.eyJzdWIi.b2xk", JWT)) as client:
        await client.workspace.whoami()


async def test_a_function_that_fails_leaves_the_refusal_and_shows_nothing(world, caplog):
    def read() -> str:
        if asked:
            raise OSError("hunter2")
        asked.append(True)
        return OLD

    asked: list[bool] = []
    async with client_with(world, read) as client:
        with pytest.raises(AuthenticationError):
            await client.public.credits_balance()
    assert "OSError" in caplog.text
    assert "hunter2" not in caplog.text


@both
async def test_a_file_of_the_environment_is_read_again(world, monkeypatch, tmp_path):
    (file := tmp_path / "key").write_text(f"{OLD}\n")
    monkeypatch.setenv("CLEANLIST_API_KEY_FILE", str(file))
    monkeypatch.delenv("CLEANLIST_API_KEY", raising=False)
    async with client_with(world, None) as client:
        await client.public.credits_balance()
        file.write_text(f"{NEW}\n")
        world.sandbox.revoke(OLD)
        await client.public.credits_balance()


def test_a_file_beside_a_key_of_the_environment_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CLEANLIST_API_KEY_FILE", str(tmp_path))
    monkeypatch.setenv("CLEANLIST_API_KEY", "clapi_x")
    with pytest.raises(ConfigurationError, match="Both"):
        AsyncCleanlist()


@pytest.mark.parametrize("content", [None, b"", b"x" * 70_000, "clé".encode()])
def test_a_file_without_a_key_is_refused_and_not_shown(monkeypatch, tmp_path, content):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.delenv("CLEANLIST_API_KEY", raising=False)
    monkeypatch.setenv("CLEANLIST_API_KEY_FILE", str(file))
    with pytest.raises(ConfigurationError, match="CLEANLIST_API_KEY_FILE") as refused:
        AsyncCleanlist()
    assert "cl\\xe9" not in ascii(refused.value)


async def asked() -> str:
    return OLD


@pytest.mark.parametrize("wrong", [asked, lambda: None, lambda: 7, lambda: ""])
def test_a_function_that_returns_no_key_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="api_key"):
        AsyncCleanlist(wrong)
