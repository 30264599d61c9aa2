"""A surname of several words stays whole, before a comma and where surnames come first."""

# ruff: noqa: RUF001 - an apostrophe as people write it, and Cyrillic letters

from __future__ import annotations

from cleanlist_async.tables import ContactTable
from cleanlist_async.tables.values import split_name
from tests.support.cases import each_case

SURNAMES = """
    van der Berg|van den Heuvel|Van Gogh|VAN DEN BERG|Van 't Hoff|Op den Camp|ter Horst|von der Leyen
    zu Guttenberg|vom Brocke|von und zu Franckenstein|de la Cruz|De La Cruz Pérez|del Toro|de los Santos
    Ortega y Gasset|Puig i Cadafalch|da Silva|Da Silva Santos|dos Santos|Di Caprio|della Valle|Dal Farra
    d’ Angelo|Le Pen|La Rue|du Pont|St. John|Saint Laurent|al Masri|el Baradei|bin Salman|ibn Sina
    ben Ali|abu Bakr|Ó Briain|Ní Bhraonáin|Mc Donald|af Klint
"""
WHOLE_NAMES = """
    Jane Doe|Jane van der Berg|Ludwig van Beethoven|Al Pacino|Ben Affleck|Mac Miller|Maria de la Cruz
    José Ortega y Gasset|Mary Ann Smith|In Park
"""


def listed(names):
    return [name.strip() for line in names.strip().splitlines() for name in line.split("|")]


@each_case("surname", listed(SURNAMES))
def test_a_surname_before_a_comma_stays_whole(surname):
    assert split_name(f"{surname}, Jane") == ("Jane", surname)
    assert split_name(f"Dr. {surname}, Mary Ann, PhD") == ("Mary Ann", surname)


@each_case("name", listed(WHOLE_NAMES))
def test_a_whole_name_before_a_comma_is_not_turned_round(name):
    first, last = name.split(" ", 1)
    for behind in ("", ", MBA", ", M.D.", ", Berlin", ", Head of Sales"):
        assert split_name(name + behind) == (first, last)


LAST_NAME_FIRST = {
    "van der Berg Jane": ("Jane", "van der Berg"),
    "Van der Berg Mary Ann": ("Mary Ann", "Van der Berg"),
    "de la Cruz Juana": ("Juana", "de la Cruz"),
    "Ortega y Gasset José": ("José", "Ortega y Gasset"),
    "Doe Jane": ("Jane", "Doe"),
    "Le Van Anh": ("Van Anh", "Le"),
    "Иванова Анна Ивановна": ("Анна", "Иванова"),
}


def test_a_surname_that_comes_first_by_its_header_stays_whole(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(
        "\n".join(["Nachname Vorname;Firma", *(f"{name};Acme" for name in LAST_NAME_FIRST)]), "utf-8"
    )
    contacts = ContactTable.open(path).contacts()
    assert [(one.first_name, one.last_name) for one in contacts] == [*LAST_NAME_FIRST.values()]
