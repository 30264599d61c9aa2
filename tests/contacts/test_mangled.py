"""Names that an earlier program mangled are known, whatever it took them for; no other name is suspected."""

# ruff: noqa: RUF001, SIM905 - letters of other alphabets; lists that are read as text

from __future__ import annotations

from cleanlist_async.contacts.mangled import has_question_mark, unmangled
from tests.support.cases import each_case

NAMES = [
    *"José Müller Özil Ángel Éric Íñigo Óscar Òscar Àngels Ünal Øyvind Åsa François Łukasz Żółć".split(),
    *"Dvořák Šárka Ştefan Țurcan Ăn Nguyễn Đặng Zoë Œuvre İbrahim Iğdır Sørensen Größe Marcel·lí".split(),
    *"JOSÉ MÜLLER ÖZTÜRK İSTANBUL ÇELİK Nestlé® O’Brien".split(),
    *"Михаил Юлия Γιώργος דוד محمد 山田 김민수 केशव Գավառ".split(),
]
MISREAD_AS = ["cp1252", "latin-1", "mac_roman", "cp850", "cp1250", "cp1251"]
LEGITIMATE = """
    SÃO|JOÃO|SÃO PAULO|JOÃO’S|IRMÃ’S|ROMÃ® LTDA|ROMÃ… LTDA|IRMÃ™ S.A.|“AMANHÔ|AMANHÃ”|LÃ–ALGODÃO|CONCEIÇÃO
    CAFÉ’S|CAFÉ’s|Café’s|NESTLÉ®|Nestlé®|NESTLÉ™|CAFÉ»|«CAFÉ»|“CAFÉ”|CAFÉ…|CAFÉ–BAR|CITTÀ’|Mª José|Nº 1
    Strauß’ Laden|Strauß’s|WEIß’s|GROß®|Groß™|Úšovice|Úžice|Ústí|Žižka|Ðorđe|Ðóra|Þór|Ø’Neil|ÂNGELA|Ân|LÊ|ĐỖ
    Íñigo|Ñandú|Nguyễn Văn Anh|Țepeș|ŞAHİN|ÎLE|ÆØÅ|L’ORÉAL|HÄAGEN-DAZS|ŠKODA|Łódź|A×B|Ді Рі|Рі Сі|Вікторія
    Ђорђе|Љубљана|Γιώργος|山田太郎|김|محمد
"""


def read_as(encoding: str, name: str) -> str:
    """Read the UTF-8 of a name in another encoding, as a spreadsheet does."""
    read = ""
    for byte in name.encode():
        try:
            read += bytes([byte]).decode(encoding)
        except UnicodeError:
            read += chr(byte)
    return read


@each_case("encoding", MISREAD_AS)
def test_a_mangled_name_is_known(encoding):
    mangled = {read_as(encoding, name): name for name in NAMES}
    assert {unmangled(name) for name in mangled} - set(NAMES) == set()


def test_a_name_that_was_mangled_twice_is_known():
    assert unmangled(read_as("cp1252", read_as("cp1252", "Müller"))) == "Müller"
    assert unmangled(read_as("cp1252", read_as("cp1252", read_as("cp1252", "José")))) == "José"


def test_no_other_name_is_suspected():
    names = [*NAMES, *(name.strip() for line in LEGITIMATE.strip().splitlines() for name in line.split("|"))]
    forms = [
        form for name in names for form in (name, name.lower(), name.title(), f"{name} & Co", f"«{name}»")
    ]
    assert [(name, unmangled(name)) for name in forms if unmangled(name)] == []


@each_case(
    "name",
    ["Nguy?n", "?ukasz", "Ivani?", "Dvo?ák", "O?Brien", "Marie-?lise", "?í?ek", "M??ller", "Jos? Luis"],
)
def test_a_question_mark_beside_a_letter_of_a_name_stands_for_one(name):
    assert has_question_mark(name, is_person=True)


@each_case("company", ["?ód? Design", "Gro?handel Müller", "Women?s Health", "Café ?esk?", "K??ln AG"])
def test_a_question_mark_within_a_word_of_a_company_stands_for_a_letter(company):
    assert has_question_mark(company, is_person=False)


@each_case(
    "company",
    [
        *("Who Cares?", "What's Next? GmbH", "?What If!", "Why? Marketing", "3?4 Media", "Acme", "???"),
        *("acme.example/page?id=a", "www.acme.example?a", "mailto:a@b.example?subject", "? & Co"),
    ],
)
def test_a_company_may_be_called_with_a_question(company):
    assert not has_question_mark(company, is_person=False)


@each_case("name", ["Ada", "???", "?", "Ada 3?", "linkedin.com/in/ada?trk=people"])
def test_other_question_marks_stand_for_nothing(name):
    assert not has_question_mark(name, is_person=True)
