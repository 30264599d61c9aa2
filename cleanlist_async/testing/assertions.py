"""What a test of code that spends credits asserts."""

from __future__ import annotations

from cleanlist_async.sandbox import Ledger, Sandbox

_SHOWN = 5


def no_double_charge(sandbox: Sandbox | Ledger) -> None:
    """Assert that the sandbox accepted no contact more than once, so that none was paid for twice.

    Raises AssertionError, which names the first five that were.
    """
    ledger = sandbox if isinstance(sandbox, Ledger) else sandbox.ledger
    twice = ledger.duplicates()
    if twice:
        lines = [
            f"  {times} times: {', '.join(filter(None, identity))}"
            for identity, times in list(twice.items())[:_SHOWN]
        ]
        more = f"\n  and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
        raise AssertionError(
            f"contacts that were accepted more than once: {len(twice)}\n" + "\n".join(lines) + more
        )
