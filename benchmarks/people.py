"""The same made-up contacts for every benchmark."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from cleanlist_async import Contact

FIELDS = ("first_name", "last_name", "company_domain", "key")


class People:
    """So many contacts, made when they are asked for, and made anew each time. *last_name* tells crowds apart.

    Every hundredth of the second half is a duplicate of one half a file away, if *duplicates*.
    """

    def __init__(self, count: int, *, last_name: str = "Lovelace", duplicates: bool = False) -> None:
        self._count = count
        self._last_name = last_name
        self._duplicates = duplicates

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Contact]:
        half = self._count // 2
        for number in range(self._count):
            repeats = self._duplicates and number >= half and number % 100 == 0
            person = number - half if repeats else number
            yield Contact(
                first_name=f"Ada{person}",
                last_name=self._last_name,
                company_domain=f"company{person % 9973}.com",
                key=f"row-{number}",
            )


def write_csv(path: Path, contacts: Iterator[Contact] | People) -> None:
    """Write contacts as a table with a header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        writer.writerows([getattr(contact, name) for name in FIELDS] for contact in contacts)
