"""What each paid call buys, the quote for it, and the credits that are held for it.

Prices are credits (docs.cleanlist.ai/mcp-api/credits, docs.cleanlist.ai/mcp-api/enrichment-types).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import count
from struct import Struct
from typing import Final, NamedTuple

from cleanlist_async.sandbox.clock import Moments
from cleanlist_async.sandbox.gate import Caller
from cleanlist_async.sandbox.ledger import Account
from cleanlist_async.sandbox.options import Options
from cleanlist_async.sandbox.responses import refused

CREDITS_PER_LEAD: Final[dict[str, int]] = {"partial": 1, "phone_only": 10, "full": 11}
CREDITS_PER_COMPANY: Final = 1
COMPANIES_PER_CREDIT: Final = 10
"""Companies of a cohort, which are cheaper than a single look-up."""
AGENT_CREDITS_PER_LEAD: Final[dict[str, int]] = {
    "custom_ai": 1,
    "cold_intro_email": 3,
    "title_normalizer": 1,
    "company_intel": 1,
    "pain_point_hypothesis": 1,
}
"""The last three are not documented."""
SYNC_CREDITS: Final = 0
"""The price of a sync is not documented."""

PERSON_DATA_POINTS: Final = frozenset({"Email", "Phone", "LinkedIn"})
COMPANY_DATA_POINTS: Final = frozenset({"Industry", "Employees", "Revenue", "Funding", "TechStack", "Domain"})

_KEY_ID: Final = "v1"
# The documented form: key id, time of issue in epoch seconds, and the signed part.
_FORM: Final = re.compile(rf"qte_{_KEY_ID}_(?P<issued>\d{{1,12}})_(?P<hex>(?:[0-9a-f]{{2}})+)")
_CLAIMS: Final = Struct(">IQI16s")
"""Serial number, credits, rows, and what the quote is for."""
_SIGNATURE_BYTES: Final = hashlib.sha256().digest_size


class Purchase(NamedTuple):
    """What a quote is minted for, and what a call redeems it with."""

    tool: str
    binding: Mapping[str, object]
    row_count: int
    cost: int
    """Credits, at most."""


def enrichment_type_of(scope: str) -> str:
    """Return the enrichment type of a bulk scope, which is spelled with a hyphen."""
    return scope.replace("-", "_")


def person(enrichment_type: str, rows: int = 1) -> Purchase:
    """Return the enrichment of one person, ``POST /enrichment/person``."""
    cost = rows * CREDITS_PER_LEAD[enrichment_type]
    return Purchase("enrich_person", {"enrichment_type": enrichment_type}, rows, cost)


def company() -> Purchase:
    """Return the look-up of one company, ``POST /enrichment/company``; no page names its tool."""
    return Purchase("enrich_company", {}, 1, CREDITS_PER_COMPANY)


def whole_list(list_id: str, scope: str, rows: int) -> Purchase:
    """Return the enrichment of a list, ``POST /enrichment/bulk``; ``scope`` has its hyphen here."""
    cost = rows * CREDITS_PER_LEAD[enrichment_type_of(scope)]
    return Purchase("enrich_list", {"list_id": list_id, "scope": scope}, rows, cost)


def csv_rows(list_id: str, enrichment_type: str, rows: int) -> Purchase:
    """Return the enrichment of the rows that a CSV import takes in."""
    binding = {"list_id": list_id, "enrichment_type": enrichment_type}
    return Purchase("bulk_import_csv", binding, rows, rows * CREDITS_PER_LEAD[enrichment_type])


def agent_run(list_id: str, agent_type: str, rows: int) -> Purchase:
    """Return a smart agent's run over leads of a list, ``POST /smart-agents/run``."""
    binding = {"list_id": list_id, "agent_type": agent_type}
    return Purchase("run_smart_agent", binding, rows, rows * AGENT_CREDITS_PER_LEAD[agent_type])


def cohort_entities(
    kind: str, task_id: str, data_points: Collection[str], entity_ids: Collection[str] | None, rows: int
) -> Purchase:
    """Return the enrichment of a cohort, ``POST /enrichment/by-task``."""
    binding = {
        "task_id": task_id,
        # Sorted: the order of a call need not be that of its estimate.
        "data_points": sorted(set(data_points)),
        "entity_ids": None if entity_ids is None else sorted(set(entity_ids)),
    }
    if kind == "company":
        return Purchase("add_company_enrichments", binding, rows, credits_for_companies(rows))
    cost = rows * CREDITS_PER_LEAD[type_of_data_points(data_points)]
    return Purchase("add_person_enrichments", binding, rows, cost)


def sync(tool: str, list_id: str, provider: str | None, sub_action: str | None, rows: int) -> Purchase:
    """Return the sending of a list to a CRM or a sequencer."""
    binding = {"list_id": list_id, "provider": provider, "sub_action": sub_action}
    return Purchase(tool, binding, rows, rows * SYNC_CREDITS)


def credits_for_companies(count: int) -> int:
    """Return the credits that *count* companies of a cohort cost."""
    return math.ceil(count / COMPANIES_PER_CREDIT)


def type_of_data_points(data_points: Collection[str]) -> str:
    """Return the enrichment type that covers the data points of people."""
    if "Phone" not in data_points:
        return "partial"
    return "full" if "Email" in data_points else "phone_only"


@dataclass(slots=True)
class Reservation:
    """Credits held for one call."""

    amount: int
    tool: str
    _account: Account = field(repr=False)
    charged: int | None = None
    """Credits taken; None until it is settled."""

    @property
    def refunded(self) -> int | None:
        """Credits given back; None until it is settled."""
        return None if self.charged is None else self.amount - self.charged

    def settle(self, charged: int) -> None:
        """Take ``charged`` credits, at most what is held, and give back the rest; only the first time."""
        if self.charged is None:
            # Never more than was agreed to.
            self.charged = min(charged, self.amount)
            self._account.charge(self.charged, reserved=self.amount, tool=self.tool)


class Funds:
    """The organization's credits, in whole ones as the modern surface shows them, and quotes for them.

    A quote is signed and good once: its id itself carries what it promises, and the signature of it.
    """

    def __init__(self, options: Options, account: Account, moments: Moments) -> None:
        self._account = account
        self._epoch_s = moments.epoch_s
        self._ttl_s = options.quote_ttl_s
        self._secret = hashlib.sha256(f"{options.seed}:quotes".encode()).digest()
        self._serials = count(1)
        self._redeemed: set[str] = set()

    @property
    def balance(self) -> int:
        """Credits there are, held ones included."""
        return math.floor(self._account.balance)

    @property
    def available(self) -> int:
        """Credits that a new call can count on."""
        # Rounded down: a fraction of a credit cannot be promised to a call that costs a whole one.
        return math.floor(self._account.available)

    def quote(self, caller: Caller, purchase: Purchase) -> dict[str, object]:
        """Return a quote as ``POST /credits/estimate`` answers it; costs are credits."""
        # Quotes are in whole seconds, while timestamp_ms of an answer is in milliseconds.
        issued = int(self._epoch_s())
        purpose = _digest(purchase)
        # The serial number makes every quote another one: each can be redeemed once.
        claims = _CLAIMS.pack(next(self._serials), purchase.cost, purchase.row_count, purpose)
        signed = claims + self._signature(caller, issued, claims)
        available = self.available
        return {
            "quote_id": f"qte_{_KEY_ID}_{issued}_{signed.hex()}",
            "expires_at": int(issued + self._ttl_s),
            "estimated_cost": purchase.cost,
            "tool": purchase.tool,
            "row_count": purchase.row_count,
            "filter_hash": purpose.hex() if purchase.binding else "none",
            "available_credits": available,
            # Too few credits do not fail an estimate.
            "sufficient": available >= purchase.cost,
        }

    def hold(
        self, caller: Caller, purchase: Purchase, quote_id: str | None, *, needs_quote: bool
    ) -> Reservation:
        """Redeem the quote, if one is given or needed, and hold what the purchase costs at most.

        Raises RefusedError 400 with quote_required, quote_invalid, quote_expired, quote_already_redeemed,
        quote_mismatch, spend_cap_exceeded or insufficient_credits; then nothing was used up.
        """
        if quote_id is not None or needs_quote:
            self._check(caller, purchase, quote_id)
        available = self.available
        # Before the quote is used up: with too few credits it stays good for after a top-up.
        if purchase.cost > available:
            raise refused(
                "insufficient_credits",
                f"This call requires {purchase.cost} credits; organization has {available}.",
                estimated_cost_credits=purchase.cost,
                available_credits=available,
                shortfall_credits=purchase.cost - available,
            )
        self._account.reserve(purchase.cost)
        if quote_id is not None:
            self._redeemed.add(quote_id)
        return Reservation(purchase.cost, purchase.tool, self._account)

    def _check(self, caller: Caller, purchase: Purchase, quote_id: str | None) -> None:
        """Refuse a quote that does not cover a purchase."""
        if not quote_id:
            raise refused("quote_required")
        form = _FORM.fullmatch(quote_id)
        signed = bytes.fromhex(form["hex"]) if form else b""
        if form is None or len(signed) != _CLAIMS.size + _SIGNATURE_BYTES:
            raise refused("quote_invalid")
        issued, claims = int(form["issued"]), signed[: _CLAIMS.size]
        if not hmac.compare_digest(self._signature(caller, issued, claims), signed[_CLAIMS.size :]):
            raise refused("quote_invalid")
        _, cost, rows, purpose = _CLAIMS.unpack(claims)
        if self._epoch_s() >= issued + self._ttl_s:
            raise refused("quote_expired")
        if quote_id in self._redeemed:
            raise refused("quote_already_redeemed")
        if purpose != _digest(purchase):
            raise refused("quote_mismatch")
        # A quote is a limit: the call may turn out smaller than its estimate.
        if purchase.cost > cost or purchase.row_count > rows:
            raise refused("spend_cap_exceeded")

    def _signature(self, caller: Caller, issued: int, claims: bytes) -> bytes:
        # With the organization, so that another one's quote counts as forged.
        message = f"{_KEY_ID}:{issued}:{caller.organization_id}:".encode() + claims
        return hmac.digest(self._secret, message, "sha256")


def _digest(purchase: Purchase) -> bytes:
    purpose = json.dumps([purchase.tool, purchase.binding], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(purpose.encode()).digest()[:16]
