"""The options of a job in a store, and when a job is named rather than a journal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final, Self, TypeGuard

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import EnrichmentType
from cleanlist_async.http.options import CallOptions
from cleanlist_async.job.journal.schema import APPLICATION_ID
from cleanlist_async.job.spec import JobSpec
from cleanlist_async.job.unknown import UnknownPolicy
from cleanlist_async.storage.store.records import REMEMBERED
from cleanlist_async.tables.input_options import InputOptions

_LONGEST_NAME: Final = 200
_APPLICATION_ID: Final = slice(68, 72)
"""Where a SQLite file has its application id (sqlite.org/fileformat.html)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJobSpec:
    """The options of a job in a store. Without an `enrichment_type` it is that of the job, or ``partial``."""

    enrichment_type: EnrichmentType | None
    max_credits: float | None
    options: CallOptions
    max_open_workflows: int
    cache: Path | None
    cache_ttl_s: float
    adopt: bool
    input: InputOptions

    @classmethod
    def of(cls, spec: JobSpec, enrichment_type: EnrichmentType | None) -> Self:
        """Take what a job in a store has of the options. Raises ConfigurationError for any other."""
        journal_only = {
            "webhook_url": spec.webhook_url is not None,
            f"submit_mode={spec.submit_mode!r}": spec.submit_mode not in {"auto", "plain"},
            "on_unknown": spec.policy != UnknownPolicy(),
            "half_full_price": spec.half_full_price != "full",
            f"enrichment_type={spec.enrichment_type!r}": spec.enrichment_type not in REMEMBERED,
        }
        for option, is_given in journal_only.items():
            if is_given:
                raise ConfigurationError(
                    f"A job in a store does not take {option}.",
                    fix="Leave it out, or use a journal file: a path, or a name that ends in .journal.",
                )
        return cls(
            enrichment_type=enrichment_type,
            max_credits=spec.max_credits,
            options=spec.options,
            max_open_workflows=spec.max_open_workflows,
            cache=spec.cache,
            cache_ttl_s=spec.cache_ttl_s,
            adopt=spec.adopt,
            input=spec.input,
        )


def is_name(journal: str | PathLike[str]) -> TypeGuard[str]:
    """Whether a job is named: text without a folder that does not end in ``.journal``.

    Raises ConfigurationError for text that cannot be one.
    """
    if not isinstance(journal, str) or journal.endswith(".journal"):
        return False
    if any(separator in journal for separator in (os.sep, os.altsep) if separator):
        return False
    if not journal.strip() or len(journal) > _LONGEST_NAME or not journal.isprintable():
        raise ConfigurationError(
            f"The name of a job must have 1 to {_LONGEST_NAME} characters that can be printed."
        )
    return True


def is_journal(path: Path) -> bool:
    """Whether there is the journal of a job at a path."""
    try:
        with path.open("rb") as file:
            head = file.read(_APPLICATION_ID.stop)
    except (OSError, ValueError):
        return False
    return head[_APPLICATION_ID] == APPLICATION_ID.to_bytes(4, "big")
