"""All modern operations, by the name of their group on the client."""

from cleanlist_async.api import enrichment, export, lead_lists, search, smart_agents, workspace

OPERATIONS = {
    "workspace": workspace.OPERATIONS,
    "lead_lists": lead_lists.OPERATIONS,
    "enrichment": enrichment.OPERATIONS,
    "smart_agents": smart_agents.OPERATIONS,
    "export": export.OPERATIONS,
    "search": search.OPERATIONS,
}
"""By the name of the group on the client."""
