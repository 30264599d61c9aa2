"""What says nothing is not sent: placeholders of spreadsheets, pick lists and programs, in any language."""

# ruff: noqa: RUF001 - wide letters, and those of other alphabets

from __future__ import annotations

from cleanlist_async import Contact
from cleanlist_async.contacts.identity import Invalid, Prepared, prepare
from tests.support.cases import each_case

PROFILE = "https://www.linkedin.com/in/ada"

PLACEHOLDERS = {
    "of spreadsheets": "#N/A #REF! #DIV/0! #SPILL! #GETTING_DATA 0 0.0 00 FALSE",
    "of spreadsheets in other languages": "#N/D #NV #BEZUG! #¡VALOR! #¿NOMBRE? #ÜBERLAUF! #ДЕЛ/0! #Н/Д #YOK",
    "of LibreOffice and Google": "Err:502 #ERROR! Loading...",
    "of pick lists": "--None-- -None- <none> [None] (blank) (leer) (vide) [Blank]",
    "of programs": "null NULL undefined nan NaN NaT <NA> None \\N {} [] (null) [NULL]",
    "of people": "n/a N/A N.A. n.a. na - -- — … ? ??? . * _ tbd TBC k.A. n/d s/d N.D. k.A",
    "in wide letters": "Ｎ／Ａ －",
}
PHRASES = {
    "[Not provided]",
    "not set",
    "Not Found",
    "N / A",
    "No Email",
    "no company",
    "#N/A N/A",
    "keine Angabe",
    "non renseigné",
    "sin datos",
    "não informado",
    "brak danych",
    "нет данных",
    "不明",
    "未知",
    "없음",
    "Caf\ufffd",
}
NAMES = {
    "Blank",
    "Leer",
    "Empty Promises Ltd",
    "Nadia",
    "Nonesuch",
    "A/B Testing",
    "3M",
    "007",
    "O2",
    "#paid",
    "N. A. Brown",
    "Yahoo!",
    "-ish",
    "Ö",
    "😀",
    "Null & Void",
    "Tom",
}


def company_sent(name: str) -> str | None:
    prepared = prepare(0, Contact(linkedin_url=PROFILE, company_name=name))
    assert isinstance(prepared, Prepared)
    return prepared.sent.company_name


@each_case("kind", PLACEHOLDERS)
def test_a_placeholder_is_a_blank(kind: str) -> None:
    for text in PLACEHOLDERS[kind].split():
        assert company_sent(text) is None, text


@each_case("text", PHRASES)
def test_a_phrase_that_says_nothing_is_a_blank(text: str) -> None:
    assert company_sent(text) is None


@each_case("text", NAMES)
def test_what_may_be_a_name_is_sent(text: str) -> None:
    assert company_sent(text) == text


@each_case("name", ["Na", "Nan", "Null", "Nil", "False", "Tba"])
def test_a_name_of_a_person_that_is_a_placeholder_elsewhere_is_sent(name: str) -> None:
    prepared = prepare(0, Contact(first_name=name, last_name="Li", company_name="Acme"))
    assert isinstance(prepared, Prepared)
    assert prepared.sent.first_name == name


@each_case(
    "address",
    [
        *("Yes", "no", "TRUE", "0", "12345", "LinkedIn", "Profile", "link", "View profile", "-", "@ada"),
        *("https://www.linkedin.com/in/null", "linkedin.com/in/undefined", "linkedin.com/in/n/a"),
        *("https://www.linkedin.com/in/unavailable", "https://www.linkedin.com/in/", "linkedin.com"),
        *("https://linkedin.example.com/in/ada", "https://www.linkedin.com/feed/?next=/in/ada"),
        *("https://www.linkedin.com/redir?url=https://x.example/in/ada", "https://lnkd.in/abc"),
        *("https://www.linkedin.com/search/results/people/?keywords=ada", "https://www.linkedin.com/pulse/x"),
    ],
)
def test_what_names_no_profile_is_no_linkedin_url(address: str) -> None:
    assert isinstance(prepare(0, Contact(linkedin_url=address)), Invalid)
    named = prepare(0, Contact(linkedin_url=address, first_name="Ada", last_name="Love", company_name="Acme"))
    assert isinstance(named, Prepared)
    assert named.sent.linkedin_url is None
