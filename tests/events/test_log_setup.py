"""$CLEANLIST_LOG turns the log on for a program that sets up none."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from cleanlist_async import AsyncCleanlist, ConfigurationError
from cleanlist_async.events.log_setup import set_up_logging

FAILING_CALL = """
import asyncio, logging
from cleanlist_async import AsyncCleanlist, CleanlistError
async def main():
    async with AsyncCleanlist("key", base_url="http://127.0.0.1:9", max_retries=0) as client:
        try:
            await client.public.credits_balance()
        except CleanlistError:
            pass
"""


def printed(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FAILING_CALL + code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stderr


@pytest.mark.slow
def test_a_plain_program_prints_each_request_at_debug_once():
    lines = printed("asyncio.run(main()); asyncio.run(main())", CLEANLIST_LOG="debug").splitlines()
    assert sum("credits_balance: GET /api/v1/public/credits/balance" in line for line in lines) == 2
    assert all(" DEBUG cleanlist_async: " in line for line in lines)


@pytest.mark.slow
def test_the_handlers_of_the_program_are_used_where_there_are_any():
    code = "logging.basicConfig(format='mine: %(message)s'); asyncio.run(main())"
    lines = printed(code, CLEANLIST_LOG="debug").splitlines()
    assert lines
    assert all(line.startswith("mine: ") for line in lines)


@pytest.mark.slow
def test_without_it_nothing_is_printed():
    assert printed("asyncio.run(main())") == ""


def test_a_level_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("CLEANLIST_LOG", "loud")
    with pytest.raises(ConfigurationError, match="CLEANLIST_LOG must be one of debug, info"):
        AsyncCleanlist("key", base_url="http://127.0.0.1:9")


def test_the_level_may_be_written_in_any_case(caplog):
    caplog.set_level(logging.WARNING, "cleanlist_async")  # and afterwards as it was
    set_up_logging({"CLEANLIST_LOG": " Info "})
    assert logging.getLogger("cleanlist_async").level == logging.INFO
