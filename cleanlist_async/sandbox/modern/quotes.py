"""Signed, single-use quotes (docs.cleanlist.ai/mcp-api/credits)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from struct import Struct
from typing import TYPE_CHECKING, Final

from .refusals import refused

if TYPE_CHECKING:
    from cleanlist_async.sandbox.auth import Caller

QUOTE_TTL_S: Final = 300.0

_CLAIMS: Final = Struct(">IQI16s")
"""Serial number, credits, rows, and what the quote is for."""
_SIGNATURE_BYTES: Final = hashlib.sha256().digest_size
# The documented form: key id, time of issue in epoch seconds, and the signed part.
_FORM: Final = re.compile(r"qte_(?P<key_id>[a-z0-9]+)_(?P<issued>\d{1,12})_(?P<hex>(?:[0-9a-f]{2})+)")


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote that was found good."""

    quote_id: str
    estimated_cost: int
    """Credits: the spend cap."""
    row_count: int


@dataclass(frozen=True, slots=True)
class _Claims:
    issued: int
    cost: int
    rows: int
    purpose: bytes


class Quotes:
    """Mints quotes and redeems them. The id itself carries what it promises, and the signature of it."""

    def __init__(
        self,
        secret: bytes,
        epoch: Callable[[], float],
        *,
        ttl_s: float = QUOTE_TTL_S,
        key_id: str = "v1",
        available: Callable[[], int] = lambda: 0,
    ) -> None:
        self._secret = secret
        self._epoch = epoch
        self._ttl_s = ttl_s
        self._key_id = key_id
        self._available = available
        self._serials = count(1)
        self._redeemed: set[str] = set()

    def mint(
        self,
        caller: Caller,
        tool: str,
        binding: Mapping[str, object],
        estimated_cost: int,
        row_count: int,
    ) -> dict[str, object]:
        """Return a quote as ``POST /credits/estimate`` answers it; costs are credits."""
        # Quotes are in whole seconds, while timestamp_ms of an answer is in milliseconds.
        issued = int(self._epoch())
        purpose = _digest(tool, binding)
        # The serial number makes every quote another one: each can be redeemed once.
        claims = _CLAIMS.pack(next(self._serials), estimated_cost, row_count, purpose)
        signed = claims + self._signature(caller, self._key_id, issued, claims)
        available = self._available()
        return {
            "quote_id": f"qte_{self._key_id}_{issued}_{signed.hex()}",
            "expires_at": int(issued + self._ttl_s),
            "estimated_cost": estimated_cost,
            "tool": tool,
            "row_count": row_count,
            "filter_hash": purpose.hex() if binding else "none",
            "available_credits": available,
            # Too few credits do not fail an estimate.
            "sufficient": available >= estimated_cost,
        }

    def check(
        self,
        caller: Caller,
        quote_id: str | None,
        tool: str | set[str],
        binding: Mapping[str, object],
        *,
        row_count: int,
        cost: int,
    ) -> Quote:
        """Return a quote that covers a call, without using it up. Raises RefusedError as ``redeem`` does."""
        if not quote_id:
            raise refused("quote_required")
        claims = self._claims(caller, quote_id)
        if self._epoch() >= claims.issued + self._ttl_s:
            raise refused("quote_expired")
        if quote_id in self._redeemed:
            raise refused("quote_already_redeemed")
        tools = {tool} if isinstance(tool, str) else tool
        if claims.purpose not in {_digest(one, binding) for one in tools}:
            raise refused("quote_mismatch")
        # A quote is a limit: the call may turn out smaller than its estimate.
        if cost > claims.cost or row_count > claims.rows:
            raise refused("spend_cap_exceeded")
        return Quote(quote_id, claims.cost, claims.rows)

    def redeem(
        self,
        caller: Caller,
        quote_id: str | None,
        tool: str | set[str],
        binding: Mapping[str, object],
        *,
        row_count: int,
        cost: int,
    ) -> Quote:
        """Use a quote up for a call of ``row_count`` rows that costs ``cost`` credits at most.

        Raises RefusedError 400 with quote_required, quote_invalid, quote_expired, quote_already_redeemed,
        quote_mismatch or spend_cap_exceeded.
        """
        quote = self.check(caller, quote_id, tool, binding, row_count=row_count, cost=cost)
        self._redeemed.add(quote.quote_id)
        return quote

    def _claims(self, caller: Caller, quote_id: str) -> _Claims:
        form = _FORM.fullmatch(quote_id)
        signed = bytes.fromhex(form["hex"]) if form else b""
        if form is None or len(signed) != _CLAIMS.size + _SIGNATURE_BYTES:
            raise refused("quote_invalid")
        issued, claims = int(form["issued"]), signed[: _CLAIMS.size]
        signature = self._signature(caller, form["key_id"], issued, claims)
        if not hmac.compare_digest(signature, signed[_CLAIMS.size :]):
            raise refused("quote_invalid")
        _, cost, rows, purpose = _CLAIMS.unpack(claims)
        return _Claims(issued, cost, rows, purpose)

    def _signature(self, caller: Caller, key_id: str, issued: int, claims: bytes) -> bytes:
        # With the organization, so that another one's quote counts as forged.
        message = f"{key_id}:{issued}:{caller.organization_id}:".encode() + claims
        return hmac.digest(self._secret, message, "sha256")


def _digest(tool: str, binding: Mapping[str, object]) -> bytes:
    purpose = json.dumps([tool, binding], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(purpose.encode()).digest()[:16]
