"""Invented people for the demonstration: the same ones each time, as varied as a real export."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from random import Random
from typing import Final, TypeAlias

Row: TypeAlias = tuple[str, ...]

HEADERS: Final = ("Record ID", "First Name", "Last Name", "Company", "Website", "LinkedIn URL", "Notes")

_FIRST: Final = str.split(
    """
    Ana Lena Maya Noah Iris Omar Tariq Wanjiru Sören Zoë José Chloë Łukasz Jürgen Siobhán François Agnès
    Björn Ngozi Thandiwe Émile Øyvind Çağla Marta Dmitri Юлия Иван Ελένη 花子 太郎 小明 지훈 ليلى דוד प्रिया
    """
)
_LAST: Final = str.split(
    """
    Almeida Brandt Castillo Dvořák Eriksen Fontaine García Håkansson Iyer Jørgensen Kowalska Lindqvist Müller
    Nakamura Okafor Peña Quispe Rossi Şahin Tanaka Ueda Vögel Wójcik Xu Zieliński Петрова Παππάς 山田 王 김
    حداد כהן शर्मा O'Brien Smith-Jones
    """
)
_COMPANY: Final = str.split(
    """
    Amber Birch Cobalt Drift Ember Fjord Granite Harbour Indigo Juniper Kestrel Lumen Meridian Northwind
    Orchid Pebble Quartz Rowan Saffron Tundra Umbra Verdant Willow Xenon Yarrow Zephyr
    """
)
_TRADE: Final = ("Analytics", "Foods", "Logistics", "Robotics", "Labs", "Energy", "Studio", "Mobility")
_FORM: Final = ("GmbH", "Ltd", "Inc.", "S.A.", "AB", "SpA", "K.K.")
_NOTES: Final = (
    "",
    "",
    "",
    "met at the fair",
    'says "call me", then hangs up',
    "VIP; handle with care",
    "=1+1",
)

_REPEATED: Final = 0.03
_INCOMPLETE: Final = 0.01
_LINKEDIN_ONLY: Final = 0.45
_WITH_DOMAIN: Final = 0.75
_WITH_COMPANY: Final = 0.9


def people(count: int, seed: int = 7) -> Iterator[Row]:
    """Yield *count* rows under `HEADERS`: some are duplicates, and some lack what the API needs."""
    # Always the same people, so that two runs of the demo can be compared.
    random = Random(seed)  # noqa: S311 - nothing here is secret
    earlier: list[Row] = []
    for number in range(1, count + 1):
        if earlier and random.random() < _REPEATED:
            row = (*_record_id(number), *random.choice(earlier)[1:-1], "again")
        else:
            row = _person(random, number)
            earlier.append(row)
        yield row


def write_people(path: str, count: int) -> None:
    """Write *count* invented people to a CSV file."""
    with open(path, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123 - a path as it was given
        writer = csv.writer(stream)
        writer.writerow(HEADERS)
        writer.writerows(people(count))


def _person(random: Random, number: int) -> Row:
    first, last = random.choice(_FIRST), random.choice(_LAST)
    name, trade = random.choice(_COMPANY), random.choice(_TRADE)
    company = f"{name} {trade} {random.choice(_FORM)}"
    # The domain .example exists nowhere (RFC 2606): none of these people can be a real one.
    # At most 97 domains for one name, since real lists have many people of one company.
    website = f"https://www.{name}-{trade}-{number % 97}.example/".lower()
    profile = f"https://www.linkedin.com/in/example-{_plain(first)}-{_plain(last)}-{number}"
    return (
        *_record_id(number),
        *_known(random, (first, last, company, website, profile)),
        random.choice(_NOTES),
    )


def _known(random: Random, whole: Row) -> Row:
    """Leave out what an export would not know."""
    first, last, company, website, profile = whole
    if random.random() < _INCOMPLETE:
        return (first, "", company, "", "")
    share = random.random()
    if share < _LINKEDIN_ONLY:
        return ("", "", "", "", profile)
    if share < _WITH_DOMAIN:
        return (first, last, "", website, "")
    if share < _WITH_COMPANY:
        return (first, last, company, "", "")
    return whole


def _record_id(number: int) -> Row:
    return (f"D-{number:06}",)


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return "".join(letter for letter in letters if letter.isalnum()) or "x"
