"""The clock of a sandbox in virtual time."""

import anyio

from cleanlist_async.testing import VirtualSandbox


def test_its_clock_goes_on_while_nothing_is_asked_and_stands_still_between_two_runs():
    sandbox = VirtualSandbox()

    async def an_hour(client):
        await client.public.credits_balance()
        began = sandbox.now
        await anyio.sleep(3_600)
        return sandbox.now - began

    assert sandbox.run(an_hour) == 3_600
    between = sandbox.now
    assert between >= 3_600
    assert sandbox.run(an_hour) == 3_600
    assert 3_600 <= sandbox.now - between < 3_601
