"""Leads as rows and as a CSV file. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .store import Lead

DEFAULT_COLUMNS: Final = (
    "lead_id",
    "first_name",
    "last_name",
    "email",
    "title",
    "company",
    "domain",
    "linkedin_url",
    "phone",
    "location",
)
"""What is exported unless columns are named (docs.cleanlist.ai/mcp-api/exports)."""
OTHER_COLUMNS: Final = ("full_name", "provider")


def agent_columns(leads: Sequence[Lead]) -> list[str]:
    """Return the columns that smart agents wrote, the oldest first."""
    return list(dict.fromkeys(name for lead in leads for name in lead.agents))


def row_of(lead: Lead, columns: Sequence[str]) -> dict[str, object]:
    """Return a lead's columns; None for one that it does not have."""
    return {name: _value(lead, name) for name in columns}


def csv_of(leads: Sequence[Lead], columns: Sequence[str]) -> bytes:
    """Return a CSV file in UTF-8 with a header; what is not text is written as JSON."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row_of(lead, columns).values()] for lead in leads)
    return file.getvalue().encode()


def _value(lead: Lead, name: str) -> object:
    if name in DEFAULT_COLUMNS or name in OTHER_COLUMNS:
        value: object = getattr(lead, name)
        return value
    # A column that does not exist is empty, not an error.
    return lead.agents.get(name)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
