# ruff: noqa: RUF001 - names in many alphabets
import pytest

from cleanlist_async.tables import ContactTable, TableError, guess_columns
from cleanlist_async.tables.headers import addressable, known_as
from cleanlist_async.tables.values import company_domain, split_name
from tests.support.cases import each_case

URL = "https://www.linkedin.com/in/jane"
PAGE = "https://www.linkedin.com/company/acme"


def guessed(headers, *rows):
    return {field: headers[guess.column] for field, guess in guess_columns(headers, rows).items()}


EXPORTS = {
    "apollo": (
        [
            "First Name",
            "Last Name",
            "Title",
            "Company",
            "Company Name for Emails",
            "Email",
            "Email Status",
            "Person Linkedin Url",
            "Website",
            "Company Linkedin Url",
            "Account Owner",
        ],
        [
            "Jane",
            "Doe",
            "VP",
            "Acme",
            "Acme",
            "j@acme.com",
            "Verified",
            URL,
            "https://acme.com",
            PAGE,
            "me@us.com",
        ],
        {
            "linkedin_url": "Person Linkedin Url",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company",
            "company_domain": "Website",
            "email": "Email",
        },
    ),
    "hubspot": (
        [
            "Record ID",
            "First Name",
            "Last Name",
            "Email",
            "Phone Number",
            "Contact owner",
            "Associated Company",
            "Website URL",
            "LinkedIn URL",
            "Associated Company IDs",
        ],
        ["151", "Jane", "Doe", "j@acme.com", "+1 555", "me@us.com", "Acme", "acme.com", URL, "9000"],
        {
            "linkedin_url": "LinkedIn URL",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Associated Company",
            "company_domain": "Website URL",
            "email": "Email",
        },
    ),
    "salesforce": (
        [
            "Id",
            "FirstName",
            "LastName",
            "Account.Name",
            "Email",
            "LinkedIn__c",
            "Account.Website",
            "Owner.Email",
        ],
        ["003", "Jane", "Doe", "Acme", "j@acme.com", URL, "www.acme.com", "me@us.com"],
        {
            "linkedin_url": "LinkedIn__c",
            "first_name": "FirstName",
            "last_name": "LastName",
            "company_name": "Account.Name",
            "company_domain": "Account.Website",
            "email": "Email",
        },
    ),
    "phantombuster": (
        [
            "profileUrl",
            "fullName",
            "firstName",
            "lastName",
            "companyName",
            "regularCompanyUrl",
            "defaultProfileUrl",
        ],
        ["https://www.linkedin.com/sales/lead/ACw,x", "Jane Doe", "Jane", "Doe", "Acme", PAGE, URL],
        {
            "linkedin_url": "defaultProfileUrl",
            "first_name": "firstName",
            "last_name": "lastName",
            "company_name": "companyName",
        },
    ),
    "evaboot": (
        [
            "Prospect First Name",
            "Prospect Last Name",
            "Company Name",
            "Company Domain",
            "Company Linkedin URL",
            "Prospect LinkedIn URL",
        ],
        ["Jane", "Doe", "Acme", "acme.com", PAGE, URL],
        {
            "linkedin_url": "Prospect LinkedIn URL",
            "first_name": "Prospect First Name",
            "last_name": "Prospect Last Name",
            "company_name": "Company Name",
            "company_domain": "Company Domain",
        },
    ),
    "linkedin connections": (
        ["First Name", "Last Name", "URL", "Email Address", "Company", "Position", "Connected On"],
        ["Jane", "Doe", URL, "", "Acme", "VP", "01 Jan 2024"],
        {
            "linkedin_url": "URL",
            "first_name": "First Name",
            "last_name": "Last Name",
            "company_name": "Company",
            "email": "Email Address",
        },
    ),
    "cleanlist": (
        [
            "lead_id",
            "first_name",
            "last_name",
            "email",
            "title",
            "company",
            "domain",
            "linkedin_url",
            "phone",
        ],
        ["1", "Jane", "Doe", "j@acme.com", "VP", "Acme", "acme.com", URL, ""],
        {
            "linkedin_url": "linkedin_url",
            "first_name": "first_name",
            "last_name": "last_name",
            "company_name": "company",
            "company_domain": "domain",
            "email": "email",
        },
    ),
    "german": (
        ["Vorname", "Nachname", "Firma", "E-Mail-Adresse", "Webseite"],
        ["Jane", "Doe", "Acme GmbH", "j@acme.de", "www.acme.de"],
        {
            "first_name": "Vorname",
            "last_name": "Nachname",
            "company_name": "Firma",
            "company_domain": "Webseite",
            "email": "E-Mail-Adresse",
        },
    ),
    "german, with a general word": (
        ["Vorname", "Name", "Firma"],
        ["Jane", "Doe", "Acme GmbH"],
        {"first_name": "Vorname", "last_name": "Name", "company_name": "Firma"},
    ),
    "french": (
        ["Prénom", "Nom", "Société", "Courriel"],
        ["Jane", "Doe", "Acme SA", "j@acme.fr"],
        {"first_name": "Prénom", "last_name": "Nom", "company_name": "Société", "email": "Courriel"},
    ),
    "spanish": (
        ["Nombre", "Apellidos", "Empresa", "Correo electrónico"],
        ["Jane", "Doe", "Acme", "j@acme.es"],
        {
            "first_name": "Nombre",
            "last_name": "Apellidos",
            "company_name": "Empresa",
            "email": "Correo electrónico",
        },
    ),
    "full name": (
        ["Full Name", "Company"],
        ["Jane Doe", "Acme"],
        {"first_name": "Full Name", "last_name": "Full Name", "company_name": "Company"},
    ),
    "whole name beside first name": (
        ["First Name", "Name"],
        ["Jane", "Jane Doe"],
        {"first_name": "Name", "last_name": "Name"},
    ),
    "half a name beside the other": (
        ["Name", "Surname"],
        ["Mary Ann", "Doe"],
        {"first_name": "Name", "last_name": "Surname"},
    ),
    "a name far from a first name": (
        ["First Name", "Company", "Name"],
        ["Jane", "Acme", "Spring list"],
        {"first_name": "First Name", "company_name": "Company"},
    ),
    "name of companies": (["Name", "Email"], ["Acme", "j@acme.com"], {"email": "Email"}),
    "linkedin of companies": (["LinkedIn", "Company"], [PAGE, "Acme"], {"company_name": "Company"}),
    "linkedin of both": (["LinkedIn", "LinkedIn Profile"], [PAGE, URL], {"linkedin_url": "LinkedIn Profile"}),
    "company linkedin only": (
        ["Company Linkedin Url", "Company"],
        [PAGE, "Acme"],
        {"company_name": "Company"},
    ),
    "linkedin as company url": (["Company URL", "Company"], [PAGE, "Acme"], {"company_name": "Company"}),
    "yes and no": (["Email", "Work Email"], ["yes", "j@acme.com"], {"email": "Work Email"}),
    "owner's email": (["Contact owner", "Company"], ["me@us.com", "Acme"], {"company_name": "Company"}),
    "two unknown columns of email": (
        ["A", "B", "Company"],
        ["a@b.co", "c@d.co", "Acme"],
        {"company_name": "Company"},
    ),
    "company is a domain": (
        ["Company", "Email"],
        ["acme.com", "a@b.co"],
        {"company_domain": "Company", "email": "Email"},
    ),
    "company ids": (["Company", "Email"], ["12345", "a@b.co"], {"email": "Email"}),
    "facebook as website": (
        ["Website", "Company"],
        ["facebook.com/acme", "Acme"],
        {"company_name": "Company"},
    ),
    "nothing": (["Foo", "Bar", "Record ID", "Key Account"], ["1", "2", "3", "4"], {}),
    "key": (["Record ID", "Key"], ["1", "2"], {"key": "Key"}),
    "two keys": (["key", "Key"], ["1", "2"], {}),
}


@each_case("name", EXPORTS)
def test_guesses(name):
    headers, row, expected = EXPORTS[name]
    assert guessed(headers, row) == expected


@each_case("name", ["apollo", "hubspot", "salesforce", "evaboot", "german", "french"])
def test_guesses_by_header_alone(name):
    headers, _, expected = EXPORTS[name]
    assert guessed(headers) == expected


def test_says_why():
    assert guess_columns(["Name"], [["Jane Doe"]])["last_name"].why == "split from Name"
    assert guess_columns(["Email"], [])["email"].why == "known header"
    assert guess_columns(["x"], [[URL]])["linkedin_url"].why == "values are linkedin.com/in/ addresses"


def test_of_two_equal_headers_neither_is_guessed_unless_their_values_are_the_same():
    assert guessed(["Email", "Email"], ["a@b.co", "c@d.co"]) == {}
    assert guess_columns(["Email", "Email"], [["a@b.co", "a@b.co"]])["email"].column == 0
    assert guess_columns(["Email", "E-Mail"], [["", "a@b.co"]])["email"].column == 1


@each_case(
    "header",
    [
        "First Name",
        "first_name",
        "FIRST-NAME",
        "firstName",
        " First  name ",
        "Contact: First Name",
        "FirstName",
    ],
)
def test_case_punctuation_and_camel_case_do_not_matter(header):
    found = known_as(header)
    assert found is not None
    assert found[0] == "first_name"


def test_addressable_names():
    assert addressable(["Email", "Email", "", "Column 3", "Email (2)", " "]) == (
        "Email",
        "Email (3)",
        "Column 3 (2)",
        "Column 3",
        "Email (2)",
        "Column 6",
    )
    assert addressable(["Email", "Email", "Email"]) == ("Email", "Email (2)", "Email (3)")


@each_case(
    ("given", "expected"),
    [
        ("https://www.acme.com/about", "acme.com"),
        ("WWW.Acme.COM", "acme.com"),
        ("acme.com.", "acme.com"),
        ("http://user:pw@acme.co.uk:8080/?q#f", "acme.co.uk"),
        ("//acme.io/x", "acme.io"),
        (" acme.com ", "acme.com"),
        ("müller.de", "müller.de"),
        ("acme.com?x=1", "acme.com"),
        ("facebook.com/acme", None),
        ("https://de.linkedin.com/company/acme", None),
        ("linkedin.com/", "linkedin.com"),
        ("Acme Inc", "Acme Inc"),
        ("n/a", "n/a"),
        ("", None),
    ],
)
def test_company_domain(given, expected):
    assert company_domain(given) == expected


@each_case(
    ("given", "expected"),
    [
        ("Jane Doe", ("Jane", "Doe")),
        ("Jane van der Berg", ("Jane", "van der Berg")),
        ("Mary Ann van der Berg", ("Mary Ann", "van der Berg")),
        ("Anna Maria von Trapp", ("Anna Maria", "von Trapp")),
        ("Maria de la Cruz Pérez", ("Maria", "de la Cruz Pérez")),
        ("Jane Q. van Dyke", ("Jane Q.", "van Dyke")),
        ("Nguyen Thi Van Anh", ("Nguyen", "Thi Van Anh")),
        ("Mary Ann van", ("Mary", "Ann van")),
        ("Mary Ann Lee", ("Mary", "Ann Lee")),
        ("Doe, Jane", ("Jane", "Doe")),
        ("Jane Doe, PhD", ("Jane", "Doe")),
        ("Jane Doe, M.D.", ("Jane", "Doe")),
        ("  Jane   Doe ", ("Jane", "Doe")),
        ("Cher", ("Cher", None)),
        ("Cher, MBA", ("Cher", None)),
        ("Dr. Anna Müller", ("Anna", "Müller")),
        ("Müller, Dr. Anna", ("Anna", "Müller")),
        ("Dr. Müller, Anna", ("Anna", "Müller")),
        ("Dr. Müller", ("Müller", None)),
        ("Prof. Dr.", (None, None)),
        ("Doe, J.", ("J.", "Doe")),
        ("DOE, JANE", ("JANE", "DOE")),
        ("DOE, RN", ("DOE", None)),
        ("DOE, MD", ("DOE", None)),
    ],
)
def test_split_name(given, expected):
    assert split_name(given) == expected


@each_case(
    ("header", "value", "first", "last"),
    [
        ("ФИО", "Иванов Иван Иванович", "Иван", "Иванов"),
        ("Фамилия Имя Отчество", "Петрова Анна Ильинична", "Анна", "Петрова"),
        ("ПІБ", "Шевченко Тарас", "Тарас", "Шевченко"),
        ("Имя", "Иван Иванов", "Иван", "Иванов"),
        ("Név", "Nagy Anna Mária", "Anna Mária", "Nagy"),
        ("氏名", "山田 花子", "花子", "山田"),
        ("Name", "山田　花子", "花子", "山田"),
        ("姓名", "张 伟", "伟", "张"),
        ("이름", "김 민준", "민준", "김"),
        ("Nom et prénom", "Dupont Jean", "Jean", "Dupont"),
        ("Prénom et nom", "Jean Dupont", "Jean", "Dupont"),
        ("Ad Soyad", "Ayşe Yılmaz", "Ayşe", "Yılmaz"),
        ("Full Name", "Doe, Jane", "Jane", "Doe"),
    ],
)
def test_the_order_of_a_whole_name_is_that_of_its_header_or_script(header, value, first, last, tmp_path):
    contact = only_contact(opened(tmp_path, f'{header},Company\n"{value}",Acme\n'))
    assert (contact.first_name, contact.last_name) == (first, last)


def opened(folder, text, mapping=None, **options):
    path = folder / "contacts.csv"
    path.write_text(text, newline="")
    return ContactTable.open(path, mapping, **options)


def only_contact(table):
    (row,) = table.rows()
    return row.contact


def test_contact_values_are_trimmed_and_blank_ones_none(tmp_path):
    table = opened(
        tmp_path,
        f"First Name,Last Name,LinkedIn,Website,Company\n Jane ,  , {URL}/ ,http://acme.com/x,\xa0\n",
    )
    contact = only_contact(table)
    assert (contact.first_name, contact.last_name, contact.linkedin_url) == ("Jane", None, f"{URL}/")
    assert (contact.company_domain, contact.company_name, contact.email) == ("acme.com", None, None)


def test_an_explicit_mapping_wins_and_key_is_that_of_its_own_column(tmp_path):
    text = "Record ID,key,Email,Mail 2,Name\nA7,8,a@b.co,c@d.co,Jane Doe\n"
    assert only_contact(opened(tmp_path, text)).key == "8"
    assert only_contact(opened(tmp_path, text, {"key": ""})).key is None
    contact = only_contact(opened(tmp_path, text, {"email": "Mail 2", "key": "record_id"}))
    assert (contact.email, contact.key, contact.first_name) == ("c@d.co", "A7", "Jane")
    contact = only_contact(opened(tmp_path, text, {"email": ""}))
    assert contact.email is None
    contact = only_contact(opened(tmp_path, text, {"first_name": "Name", "last_name": "Name"}))
    assert (contact.first_name, contact.last_name) == ("Jane", "Doe")
    contact = only_contact(opened(tmp_path, text, {"first_name": "Name"}))
    assert (contact.first_name, contact.last_name) == ("Jane Doe", None)
    contact = only_contact(opened(tmp_path, text, {"key": "Email"}))
    assert (contact.key, contact.email) == ("a@b.co", "a@b.co")
    contact = only_contact(opened(tmp_path, text, {"company_name": "Record ID", "key": "Email"}))
    assert (contact.company_name, contact.email, contact.key) == ("A7", "a@b.co", "a@b.co")


def test_duplicate_blank_and_numbered_columns_can_be_mapped(tmp_path):
    text = f"Email,Email,,LinkedIn\na@b.co,c@d.co,Acme,{URL}\n"
    table = opened(tmp_path, text)
    assert "email" not in table.columns
    assert table.notes == [
        '"Email" and "Email (2)" could both be email: neither is used; --map "email=Email"'
    ]
    contact = only_contact(opened(tmp_path, text, {"email": "Email (2)", "company_name": "Column 3"}))
    assert (contact.email, contact.company_name) == ("c@d.co", "Acme")
    assert only_contact(opened(tmp_path, text, {"email": "Email"})).email == "a@b.co"
    table = opened(tmp_path, f"Jane,Doe,{URL}\n", {"first_name": "1", "linkedin_url": "3"}, has_header=False)
    assert table.headers == ("1", "2", "3")
    assert only_contact(table).linkedin_url == URL


def test_an_ambiguous_field_that_is_mapped_is_no_error(tmp_path):
    text = f"LinkedIn,LinkedIn\n{URL},{URL}2\n"
    with pytest.raises(TableError, match=r'"LinkedIn" \(column 1\) and "LinkedIn \(2\)" \(column 2\)'):
        opened(tmp_path, text)
    assert only_contact(opened(tmp_path, text, {"linkedin_url": "LinkedIn (2)"})).linkedin_url == f"{URL}2"


def test_json_lines_give_contacts(tmp_path):
    path = tmp_path / "contacts.jsonl"
    path.write_text(
        '{"email": "a@b.co", "n": 1.50, "id": 12345678901234567890}\n\n{"linkedin_url": null, "x": [1]}\n'
    )
    table = ContactTable.open(path, {"key": "id"})
    assert table.headers == ("email", "n", "id", "linkedin_url", "x")
    first, second = table.rows()
    assert (first.number, first.contact.email, first.contact.key) == (1, "a@b.co", "12345678901234567890")
    assert first.cells["n"] == "1.50"
    assert (second.index, second.number, second.contact.email) == (1, 3, None)


def test_columns_of_an_enrichment_are_never_taken_for_the_input():
    headers = [
        "First Name",
        "Last Name",
        "Company",
        "cleanlist_email",
        "Cleanlist Phones",
        "cleanlist_email (2)",
    ]
    rows = [["Ada", "Love", "Engines", "ada@engine.example", "+1", "ada@x.example"]] * 3
    assert set(guess_columns(headers, rows)) == {"first_name", "last_name", "company_name"}


def test_a_company_column_of_domains_is_found_behind_columns_of_an_enrichment():
    headers = ["cleanlist_status", "cleanlist_email", "Company", "First Name", "Last Name"]
    rows = [["found", "ada@engine.example", "engine.example", "Ada", "Love"]] * 3
    guesses = guess_columns(headers, rows)
    assert guesses["company_domain"].column == 2
    assert "email" not in guesses
