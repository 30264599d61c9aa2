"""All operations, by the name of their group on the client."""

from types import ModuleType
from typing import Any

from cleanlist_async.api import enrichment, export, lead_lists, public, search, smart_agents, workspace
from cleanlist_async.http.calls import Operation


def _operations_of(module: ModuleType) -> tuple[Operation[Any], ...]:
    found: dict[str, Operation[Any]] = {}
    for value in vars(module).values():
        if isinstance(value, Operation):
            found.setdefault(value.name, value)  # one may have a variant of the same name
    return tuple(found.values())


PUBLIC = _operations_of(public)
OPERATIONS = {
    "workspace": _operations_of(workspace),
    "lead_lists": _operations_of(lead_lists),
    "enrichment": _operations_of(enrichment),
    "smart_agents": _operations_of(smart_agents),
    "export": _operations_of(export),
    "search": _operations_of(search),
}
"""The modern ones."""
