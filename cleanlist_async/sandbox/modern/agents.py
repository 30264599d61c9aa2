"""What smart agents write about a lead: decided by the lead alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from .store import Lead

AgentType: TypeAlias = Literal[
    "custom_ai", "cold_intro_email", "title_normalizer", "company_intel", "pain_point_hypothesis"
]


class Written(NamedTuple):
    """The result for one lead: a value (any JSON), or the reason why there is none."""

    value: object = None
    error: str | None = None


def write(agent_type: AgentType, prompt: str | None, lead: Lead) -> Written:
    """Return what an agent makes of a lead. Fails for a lead without what the agent works on."""
    works_on = _WORKS_ON[agent_type]
    if not any(getattr(lead, name) for name in works_on):
        return Written(error=f"The lead has no {works_on[0].replace('_', ' ')}.")
    return Written(_WRITERS[agent_type](lead, prompt))


def _custom(lead: Lead, prompt: str | None) -> object:
    return f"{prompt} [{lead.full_name or lead.email or lead.linkedin_url}]"


def _intro(lead: Lead, _prompt: str | None) -> object:
    return f"Hi {lead.first_name or 'there'}, what {lead.company or 'your team'} does caught my eye."


def _title(lead: Lead, _prompt: str | None) -> object:
    return (lead.title or "").replace("VP ", "Vice President ").replace("Head of", "Director of")


def _intel(lead: Lead, _prompt: str | None) -> object:
    return {"company": lead.company, "domain": lead.domain, "signals": ["hiring", "funding"]}


def _pain_point(lead: Lead, _prompt: str | None) -> object:
    return [f"{lead.company or lead.domain} keeps the same data in several places."]


_WORKS_ON: Final[dict[AgentType, tuple[str, ...]]] = {
    "custom_ai": ("full_name", "email", "linkedin_url"),
    "cold_intro_email": ("first_name", "full_name"),
    "title_normalizer": ("title",),
    "company_intel": ("company", "domain"),
    "pain_point_hypothesis": ("company", "domain"),
}
# Text, an object and a list: a value can be any JSON.
_WRITERS: Final[dict[AgentType, Callable[[Lead, str | None], object]]] = {
    "custom_ai": _custom,
    "cold_intro_email": _intro,
    "title_normalizer": _title,
    "company_intel": _intel,
    "pain_point_hypothesis": _pain_point,
}
