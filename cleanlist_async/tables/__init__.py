"""Files of contacts: the one reader of CSV, TSV and JSON lines, the writer, and the parts of an import."""

from __future__ import annotations

from cleanlist_async.tables.errors import EncodingUnknownError, TableError
from cleanlist_async.tables.formats import TableFormat
from cleanlist_async.tables.guessing import Guess, guess_columns
from cleanlist_async.tables.output_choice import ENRICHMENT_COLUMNS, OutputChoice
from cleanlist_async.tables.reading import ContactTable, Row
from cleanlist_async.tables.writing import EnrichedWriter

__all__ = [
    "ENRICHMENT_COLUMNS",
    "ContactTable",
    "EncodingUnknownError",
    "EnrichedWriter",
    "Guess",
    "OutputChoice",
    "Row",
    "TableError",
    "TableFormat",
    "guess_columns",
]
