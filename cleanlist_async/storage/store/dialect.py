"""What differs between the SQL of two databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_ORGANIZATION: Final = """
coalesce((SELECT known.organization FROM cleanlist_organizations known WHERE known.name = :organization),
    :organization)
""".strip()
"""What ``:organization`` is called by now: a client may have begun under a name that stood for it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs between two databases.

    Attributes
    ----------
    now
        Seconds since the epoch, by the clock of the database.
    each
        A table of one column `value`, of the list parameter ``{name}``.
    is_in
        Whether what stands before is in the list parameter ``{name}``.
    pairs
        A table `given` of two columns `name` and `value`, of the mapping parameter ``{name}``.
    table_names
        A table of one column `name`, of the tables that there are.
    real, blob, identity
        Types of columns: a float, bytes, a number that counts up.
    size
        Bytes that the store takes on the disk.

    """

    now: str
    each: str
    is_in: str
    pairs: str
    table_names: str
    real: str
    blob: str
    identity: str
    size: str

    def render(self, text: str) -> str:
        """Return a statement as this database takes it; parameters stay as ``:name``."""
        text = text.replace("{organization}", _ORGANIZATION)
        for word in ("now", "table_names", "real", "blob", "identity", "size"):
            text = text.replace("{" + word + "}", getattr(self, word))
        for name in ("digests", "types", "owners"):
            text = text.replace("{each " + name + "}", self.each.replace("{name}", name))
            text = text.replace("{in " + name + "}", self.is_in.replace("{name}", name))
        return text.replace("{pairs}", self.pairs.replace("{name}", "pairs"))
