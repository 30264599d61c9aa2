"""The checks of what the server said. Pure: each takes the evidence, and returns a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from cleanlist_async import facts
from cleanlist_async.cli.doctor.evidence import Evidence, Finding, Reply
from cleanlist_async.cli.terminal.render import number, plural
from cleanlist_async.errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    PermissionDeniedError,
    RateLimitError,
)
from cleanlist_async.types import JSON

WORST_SKEW_S: Final = 5.0
"""Seconds that the clocks may differ: a wait until a date that is off by more draws another 429."""
_MOST_NAMES: Final = 5
_SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "people:read": ("search.people",),
    "companies:read": ("search.companies",),
    "lists:read": (
        "lead_lists.list_lists",
        "lead_lists.get_list",
        "lead_lists.list_leads_in_list",
    ),
    "lists:write": (
        "lead_lists.create_list",
        "lead_lists.update_list",
        "lead_lists.delete_list",
        "lead_lists.add_leads_to_list",
        "lead_lists.remove_leads_from_list",
        "lead_lists.import_csv",
    ),
    "enrich:read": ("enrichment.enrichment_status", "enrichment.wait"),
    "enrich:write": (
        "enrichment.enrich_person",
        "enrichment.enrich_company",
        "enrichment.enrich_by_task",
        "enrichment.enrich_list",
    ),
    "credits:read": ("workspace.credits_balance", "workspace.credits_estimate"),
    "export:read": ("export.download_csv", "export.export_csv", "export.export_json"),
    "sync:write": (),
    "smart_agents:read": (
        "smart_agents.list_smart_agents",
        "smart_agents.get_smart_agent_results",
        "smart_agents.wait",
    ),
    "smart_agents:write": ("smart_agents.run_smart_agent",),
    "admin:api_keys": ("workspace.list_api_keys", "workspace.usage_report"),
}
"""The operations that need a scope (docs.cleanlist.ai/mcp-api/authentication).

``sync:write`` is for CRM and sequencer syncs, which have none here.
"""


def connection(evidence: Evidence) -> Finding:
    """Whether something answers at the address, and whether it is Cleanlist."""
    first = evidence.seen[0] if evidence.seen else None
    error = evidence.key.error
    # An answer that the client refuses, such as a redirect, has a status: the connection works.
    if first is None or (not first.status and isinstance(error, APIConnectionError)):
        why = error.problem if error else evidence.key.why_not
        place = f"{evidence.base_url} (from {facts.BASE_URL_VARIABLE})"
        fix = (error and error.fix) or f"Check the network, and the address {place}."
        return Finding("connection", "problem", why, fix)
    # The first request also opens the connection.
    fastest = min(one.seconds for one in evidence.seen)
    data: dict[str, JSON] = {"base_url": evidence.base_url, "latency_ms": round(fastest * 1000, 1)}
    if not any(_is_cleanlist(reply) for reply in evidence.replies):
        detail = f"{evidence.base_url} answers with {first.status}, but not as Cleanlist does."
        fix = f"Check {facts.BASE_URL_VARIABLE}; Cleanlist is at {facts.DEFAULT_BASE_URL}."
        return Finding("connection", "problem", detail, fix, data)
    secured = "TLS verified" if evidence.base_url.startswith("https:") else "without TLS, on this machine"
    detail = f"{evidence.base_url} answers in {fastest * 1000:,.0f} ms, {secured}."
    return Finding("connection", "ok", detail, data=data)


def key_good(evidence: Evidence) -> Finding:
    """Whether the server accepts the key."""
    answer, error = evidence.key.value, evidence.key.error
    if answer is not None and answer.valid:
        return Finding("key good", "ok", "the server accepts it.")
    if answer is not None or isinstance(error, AuthenticationError):
        fix = "It may be expired or revoked. Create a key in the portal under Settings, API Keys."
        return Finding("key good", "problem", "the server does not accept the key.", fix)
    if isinstance(error, PermissionDeniedError):
        fix = "API access comes with Pro and higher plans; see the portal under Settings, Billing."
        return Finding("key good", "problem", f"the key has no access to the API: {error}", fix)
    # The check of the key may fail for a reason of its own, such as an outage of that one operation.
    if evidence.whoami.value is not None:
        return Finding("key good", "ok", "the server accepts it (by whoami).")
    return Finding("key good", "unknown", evidence.key.why_not)


def plan(evidence: Evidence) -> Finding:
    """Whose key it is, and on which plan."""
    me = evidence.whoami.value
    if me is None:
        return Finding("plan", "unknown", evidence.whoami.why_not)
    tier = me.tier or "plan not named"
    appsumo = f", AppSumo tier {me.appsumo_tier}" if me.appsumo_tier is not None else ""
    where = me.organization_name or me.organization_id or "organization not named"
    data: dict[str, JSON] = {
        "tier": me.tier,
        "appsumo_tier": me.appsumo_tier,
        "organization_id": me.organization_id,
        "organization_name": me.organization_name,
    }
    validated = evidence.key.value
    other = validated.organization_id if validated else None
    if other and me.organization_id and other != me.organization_id:
        return Finding(
            "plan", "problem", "the server names two organizations for one key.", "Contact support.", data
        )
    return Finding("plan", "ok", f"{tier}{appsumo}; {where}.", data=data)


def scopes(evidence: Evidence) -> Finding:
    """Whether the key has scopes, and which it lacks."""
    me = evidence.whoami.value
    if me is None:
        return Finding("scopes", "unknown", evidence.whoami.why_not)
    missing = {name: operations for name, operations in _SCOPES.items() if name not in me.scopes}
    strange = [name for name in me.scopes if name not in _SCOPES]
    data: dict[str, JSON] = {
        "granted": list(me.scopes),
        "missing": list(missing),
        "operations": [name for scope in me.scopes for name in _SCOPES.get(scope, ())],
        "missing_operations": [name for operations in missing.values() for name in operations],
    }
    fix = "Ask an administrator of the organization for them; the commands on contact files need none."
    if not missing:
        return Finding("scopes", "ok", f"all {len(_SCOPES)}: every operation is allowed.", data=data)
    if not me.scopes:
        return Finding("scopes", "problem", "none: no modern operation is allowed.", fix, data)
    lacking = "; ".join(f"{scope} ({', '.join(_short(names))})" for scope, names in missing.items())
    detail = f"{len(_SCOPES) - len(missing)} of {len(_SCOPES)}; without {lacking}."
    # Renamed scopes would all look missing; then nothing can be said.
    if strange:
        detail += f" It also has {', '.join(strange)}, not documented."
        return Finding("scopes", "unknown", detail, data=data)
    return Finding("scopes", "ok", detail, f"If you need these: {fix[0].lower()}{fix[1:]}", data)


def credits_left(evidence: Evidence) -> Finding:
    """How many credits there are, and what they buy."""
    balance = evidence.balance.value
    if balance is None or balance.credits is None:
        why = evidence.balance.why_not if balance is None else "the server's answer contains no balance."
        return Finding("credits", "unknown", why)
    left = balance.credits
    data: dict[str, JSON] = {"credits": left}
    if left < facts.EMAIL_CREDITS:
        fix = "Top up in the portal under Settings, Billing."
        return Finding("credits", "problem", f"{number(left)}: nothing can be bought.", fix, data)
    buys = (
        f"{int(left // facts.EMAIL_CREDITS):,} e-mails, {int(left // facts.PHONE_CREDITS):,} phones"
        f" or {int(left // facts.FULL_CREDITS):,} full contacts"
    )
    return Finding("credits", "ok", f"{number(left)}: {buys}.", data=data)


def status(evidence: Evidence) -> Finding:
    """Whether the server answers to the status of a workflow, without which no result can be fetched."""
    error = evidence.status.error
    if evidence.status.value is None and error is None:
        return Finding("status", "unknown", evidence.status.why_not)
    if isinstance(error, RateLimitError):
        return Finding("status", "unknown", str(error))
    # It says that there is no such workflow, or id: whatever the words, the operation works.
    works = isinstance(error, APIError) and error.envelope != "none" and (error.status or 500) < 500
    if error is None or (works and not isinstance(error, AuthenticationError | PermissionDeniedError)):
        return Finding("status", "ok", "the server answers when it is asked for a workflow.")
    fix = "What is bought now stays pending until that works: collect fetches it then, for free."
    return Finding("status", "problem", f"the status of workflows cannot be read: {error}", fix)


def clock(evidence: Evidence) -> Finding:
    """How far our clock is from the server's."""
    skew = _skew(evidence)
    if skew is None:
        return Finding("clock", "unknown", "no answer gives the server's time.")
    data: dict[str, JSON] = {"ahead_s": round(skew.ahead_s, 2), "uncertain_s": round(skew.uncertain_s, 2)}
    apart = abs(skew.ahead_s)
    where = "ahead of" if skew.ahead_s > 0 else "behind"
    if apart - skew.uncertain_s > WORST_SKEW_S:
        detail = f"{apart:,.0f} s {where} the server's: waits until a date, quotes and links are misjudged."
        return Finding("clock", "problem", detail, "Synchronize it with NTP.", data)
    shown = f"{apart:.1f} s {where} the server's" if apart > skew.uncertain_s else "in step with the server's"
    return Finding("clock", "ok", f"{shown}, within {skew.uncertain_s:.1f} s.", data=data)


def limits(evidence: Evidence) -> Finding:
    """Whether other programs use up the rate limit."""
    statistics = evidence.statistics
    if statistics is None:
        return Finding("limits", "unknown", evidence.key.why_not)
    sizes = [bucket.limit for bucket in statistics.buckets]
    data: dict[str, JSON] = {
        "limits": list(sizes),
        "available": [bucket.available for bucket in statistics.buckets],
        "rejected_429": statistics.rejected_429,
        "headers": list(_limit_headers(evidence)),
    }
    waits = [r.error.retry_after_s for r in evidence.replies if isinstance(r.error, RateLimitError)]
    if statistics.rejected_429:
        wait = f" Wait {waits[0]:.0f} s." if waits and waits[0] else ""
        detail = f"429 after only {plural(statistics.requests, 'request')}: something else uses up the limit."
        fix = f"Send all traffic of the organization through one process.{wait}"
        return Finding("limits", "problem", detail, fix, data)
    named = f"{facts.KEY_LIMIT} requests a minute per key, {facts.ORGANIZATION_LIMIT} per organization"
    own = "" if set(sizes) <= {facts.KEY_LIMIT, facts.ORGANIZATION_LIMIT} else f", kept at {min(sizes)}"
    said = f" The server names {', '.join(_limit_headers(evidence))}." if _limit_headers(evidence) else ""
    detail = f"{named}{own}; {statistics.requests} used just now, no 429 seen.{said}"
    return Finding("limits", "ok", detail, data=data)


def versions(evidence: Evidence) -> Finding:
    """Whether the modern operations answer under both prefixes."""
    replies: dict[str, Reply[object]] = {"v2": evidence.whoami, "v1": evidence.whoami_v1}
    works = [name for name, reply in replies.items() if reply.value is not None]
    data: dict[str, JSON] = {"answering": list(works)}
    if len(works) == len(replies):
        return Finding("api_version", "ok", "v2 and v1 both answer.", data=data)
    if not works:
        why = evidence.whoami.why_not
        return Finding("api_version", "unknown", f"neither was answered: {why}", data=data)
    silent = next(name for name in replies if name not in works)
    detail = f"{silent} does not answer: {replies[silent].error}"
    fix = f'Pass api_version="{works[0]}" to AsyncCleanlist.'
    return Finding("api_version", "problem", detail, fix, data)


def answers(evidence: Evidence) -> Finding:
    """Whether answers hold what this version does not know."""
    if not any(reply.value is not None for reply in evidence.replies):
        return Finding("answers", "unknown", evidence.key.why_not)
    names = [unknown.part for unknown in evidence.unknown_parts]
    data: dict[str, JSON] = {"unknown": list(names)}
    if not names:
        return Finding("answers", "ok", "as documented.", data=data)
    shown = ", ".join(names[:_MOST_NAMES]) + (" ..." if len(names) > _MOST_NAMES else "")
    detail = f"{plural(len(names), 'part')} that this version does not know: {shown}."
    fix = "Nothing is lost by that. A newer version of the package may know them."
    return Finding("answers", "unknown", detail, fix, data)


CHECKS: Final[tuple[Callable[[Evidence], Finding], ...]] = (
    connection,
    key_good,
    plan,
    scopes,
    credits_left,
    status,
    clock,
    limits,
    versions,
    answers,
)


class _Skew(NamedTuple):
    ahead_s: float
    uncertain_s: float


def _skew(evidence: Evidence) -> _Skew | None:
    """Compare the middle of an exchange with the time in its answer."""
    me = evidence.whoami.value
    # The server wrote its time at some moment of the exchange: in the middle, give or take half of it.
    for one in evidence.seen:
        middle, half = one.sent_at + one.seconds / 2, one.seconds / 2
        is_whoami = one.path.endswith(f"{facts.MODERN_PREFIXES['v2']}/whoami")
        if is_whoami and me is not None and me.timestamp is not None:
            # The time of an answer is in whole milliseconds.
            return _Skew(middle - me.timestamp.timestamp(), half + 0.001)
    for one in evidence.seen:
        try:
            server = parsedate_to_datetime(one.headers.get("date", "")).timestamp()
        except ValueError:
            continue
        # A Date header drops the fraction of its second: half a second on average, half more uncertain.
        return _Skew(one.sent_at + one.seconds / 2 - (server + 0.5), one.seconds / 2 + 0.5)
    return None


def _is_cleanlist(reply: Reply[object]) -> bool:
    error = reply.error
    if isinstance(error, APIError):
        return error.envelope != "none" and error.status != 404  # any server has nothing somewhere
    return reply.value is not None


def _limit_headers(evidence: Evidence) -> tuple[str, ...]:
    names = {name for one in evidence.seen for name in one.headers if "ratelimit" in name.replace("-", "")}
    return tuple(sorted(names))


def _short(operations: tuple[str, ...]) -> list[str]:
    return [name.partition(".")[2] for name in operations] or ["syncs, which have no command here"]
