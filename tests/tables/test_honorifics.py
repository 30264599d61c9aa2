"""Titles and degrees are no part of a person's name."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cleanlist_async.tables import ContactTable
from cleanlist_async.tables.values import without_titles
from tests.support.cases import each_case


@each_case(
    "titles",
    [
        "Dr.",
        "Prof. Dr.",
        "Prof.Dr.h.c. mult.",
        "Dr. rer. nat.",
        "Dipl.-Ing. (FH)",
        "Herr",
        "Frau Dr. med.",
        "Mr.",
        "MRS",
        "Ms.",
        "Mme",
        "Sig.ra",
        "Dott.ssa",
        "Srta.",
        "Ing.",
        "JUDr.",
        "г-н",
        "Lt. Col.",
    ],
)
def test_titles_before_a_name_are_left_out(titles):
    assert without_titles(f"{titles} Anna Müller") == "Anna Müller"
    assert without_titles(titles) == ""


@each_case("degree", [" PhD", ", Ph.D.", ", MBA", " Jr.", " III", ", PhD, MBA", " M.Sc.", " Dr."])
def test_degrees_after_a_name_are_left_out(degree):
    assert without_titles(f"Anna Müller{degree}") == "Anna Müller"


@each_case(
    "name",
    [
        "Don Draper",
        "Drew Barrymore",
        "Jack Ma",
        "Yo-Yo MA",
        "MS Dhoni",
        "M. Night Shyamalan",
        "Sig Hansen",
        "Phil Collins",
        "Doc Rivers",
        "Sirius Black",
        "Ing Wen",
        "Fred Astaire",
        "Anna Herr",
    ],
)
def test_names_that_resemble_titles_are_kept(name):
    assert without_titles(name) == name


@settings(deadline=None)
@given(st.text())
def test_nothing_is_added_to_a_name(name):
    assert without_titles(name) in name


def test_titles_in_a_first_or_last_name_column_are_not_sent(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(
        "Vorname,Nachname,Firma\n"
        "Dr. Anna,Müller,Acme\n"
        "Prof. Dr.,Weber,Acme\n"
        'Eva,"Dr. Klein, MBA",Acme\n'
        "Max,Herr,Acme\n"
        "Ute,Dr.,Acme\n"
    )

    contacts = list(ContactTable.open(path).contacts())

    assert [(contact.first_name, contact.last_name) for contact in contacts] == [
        ("Anna", "Müller"),
        (None, "Weber"),
        ("Eva", "Klein"),
        ("Max", "Herr"),
        ("Ute", None),
    ]


def test_the_longest_split_names_are_samples(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(
        "Name,Firma\nAda Lovelace,Acme\nDr. Anna Müller,Acme\nCher,Acme\nHerr Jan van der Berg,Acme\n"
    )

    samples = ContactTable.open(path).split_samples()

    assert {name: (contact.first_name, contact.last_name) for name, contact in samples.items()} == {
        "Herr Jan van der Berg": ("Jan", "van der Berg"),
        "Dr. Anna Müller": ("Anna", "Müller"),
    }
