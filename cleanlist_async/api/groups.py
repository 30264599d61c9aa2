"""All groups of the modern operations, as one client sees them."""

from __future__ import annotations

from cleanlist_async.api import enrichment, export, lead_lists, search, smart_agents, workspace
from cleanlist_async.api.modern import Session

OPERATIONS = {
    "workspace": workspace.OPERATIONS,
    "lead_lists": lead_lists.OPERATIONS,
    "enrichment": enrichment.OPERATIONS,
    "smart_agents": smart_agents.OPERATIONS,
    "export": export.OPERATIONS,
    "search": search.OPERATIONS,
}
"""By the name of the group on the client."""


class ModernAPI:
    """The groups of one session."""

    def __init__(self, session: Session) -> None:
        self.workspace = workspace.Workspace(session)
        self.lead_lists = lead_lists.LeadLists(session)
        self.enrichment = enrichment.Enrichment(session)
        self.smart_agents = smart_agents.SmartAgents(session)
        self.export = export.Export(session)
        self.search = search.SearchAPI(session)
