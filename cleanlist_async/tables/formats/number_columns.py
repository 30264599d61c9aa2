"""Columns of a workbook whose numbers are codes: what Excel shows of them is more than the file's value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cleanlist_async.tables.headers import words

_ROWS_LOOKED_AT: Final = 100
_CODES: Final = frozenset(
    words(
        "phone telephone tel telefon telefonnummer mobile mobil handy cell cellphone fax téléphone teléfono"
        " telefono móvil zip zipcode plz postleitzahl postal postcode cap cep id ids nummer nr code"
        " kundennummer siren siret"
    )
)
"""Words of headers below which leading zeros count."""


class NumberColumns:
    """Finds columns with the header of a code that hold numbers, in the first rows of a sheet."""

    def __init__(self) -> None:
        self._rows = 0
        self._headers: dict[int, str] = {}
        self._found: dict[str, None] = {}

    def look_at(self, row: Sequence[object]) -> None:
        """Take the next row; only the first ones count."""
        if self._rows >= _ROWS_LOOKED_AT:
            return
        self._rows += 1
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                if column not in self._headers and _CODES & {*words(cell)}:
                    self._headers[column] = cell
            elif isinstance(cell, int | float) and not isinstance(cell, bool) and column in self._headers:
                self._found[self._headers[column]] = None

    @property
    def notes(self) -> list[str]:
        """A line that names the columns, if there are any."""
        if not self._found:
            return []
        names = ", ".join(self._found)
        hold = "holds" if len(self._found) == 1 else "hold"
        return [
            (
                f"{names} {hold} numbers: zeros in front that only Excel's number format shows are not read"
                " or written; format the column as text to keep them"
            )
        ]
