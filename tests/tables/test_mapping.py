import pytest

from cleanlist_async.tables import ContactTable, TableError
from tests.support.cases import each_case

URL = "https://www.linkedin.com/in/ada"
HEADER = "First Name,Last Name,Company,Website,Email,Profile,Company Page,Record ID"
ADA = f"Ada,Love,Acme,acme.example,ada@acme.example,{URL},https://www.linkedin.com/company/acme,12"


def opened(folder, *lines, **options):
    path = folder / "contacts.csv"
    path.write_text("".join(f"{line}\n" for line in lines), newline="")
    return ContactTable.open(path, **options)


@each_case(
    ("field", "header"),
    [
        ("linkedin_url", "Company Page"),
        ("linkedin_url", "Website"),
        ("linkedin_url", "Email"),
        ("linkedin_url", "Company"),
        ("email", "Company"),
        ("email", "Profile"),
        ("company_domain", "Company"),
        ("first_name", "Email"),
        ("first_name", "Record ID"),
        ("last_name", "Profile"),
        ("company_name", "Email"),
        ("company_name", "Profile"),
    ],
)
def test_a_column_whose_values_cannot_be_the_field_may_not_be_mapped_to_it(field, header, tmp_path):
    with pytest.raises(TableError, match=f"no value of this column can be {field}, such as") as refused:
        opened(tmp_path, HEADER, ADA, mapping={field: header})
    assert refused.value.column == header


@each_case(
    ("field", "header"),
    [
        ("linkedin_url", "Profile"),
        ("email", "Email"),
        ("company_domain", "Website"),
        ("company_name", "Company"),
        ("last_name", "First Name"),
        ("key", "Record ID"),
        ("key", "Email"),
    ],
)
def test_a_column_whose_values_can_be_the_field_may(field, header, tmp_path):
    assert opened(tmp_path, HEADER, ADA, mapping={field: header}).columns[field].header == header


def test_a_column_of_which_one_value_fits_may_be_mapped(tmp_path):
    lines = ["Name,Contact me", "Ada Love,yes", "Bo Berg,bo@beta.example"]
    table = opened(tmp_path, *lines, mapping={"email": "Contact me"})
    assert table.columns["email"].header == "Contact me"


TWO_COLUMNS = {
    "e-mail": (
        "Name,Company,Email,Work Email",
        "Ada Love,Acme,a@x.example,ada@acme.example",
        'email is taken from "Email"',
    ),
    "company": (
        "Name,Company,Account Name",
        "Ada Love,Acme,Acme Holding",
        'company_name is taken from "Company"',
    ),
    "website": ("Name,Website,Company Domain", "Ada Love,a.example,b.example", '"Company Domain", though'),
    "first name": (
        "First Name,Given Name,Last Name",
        "Ada,Augusta,Love",
        'first_name is taken from "First Name"',
    ),
    "whole name": ("Name,Contact,Company", "Ada Love,Bo Berg,Acme", 'first_name is taken from "Name"'),
    "profile": (
        "LinkedIn,LinkedIn Profile",
        f"{URL},{URL}-2",
        'linkedin_url is taken from "LinkedIn Profile"',
    ),
}


@each_case("name", TWO_COLUMNS)
def test_two_columns_that_qualify_are_noted(name, tmp_path):
    header, row, says = TWO_COLUMNS[name]
    (note,) = opened(tmp_path, header, row).notes
    assert says in note
    assert "--map" in note


@each_case(
    ("header", "row"),
    [
        ("Name,Company,Email,Work Email", "Ada Love,Acme,ada@acme.example,ada@acme.example"),
        ("Name,Company,Email,Work Email", "Ada Love,Acme,ada@acme.example,"),
        ("Name,Company,Email,Work Email", "Ada Love,Acme,,ada@acme.example"),
    ],
)
def test_a_second_column_that_holds_the_same_or_nothing_is_not_noted(header, row, tmp_path):
    table = opened(tmp_path, header, row)
    assert table.notes == []
    assert next(table.contacts()).email == "ada@acme.example"


def test_two_columns_of_profiles_under_unknown_headers_are_a_question(tmp_path):
    lines = ["Name,A,B", f"Ada Love,{URL},{URL}-2"]
    with pytest.raises(TableError, match=r'"A" \(column 2\) and "B" \(column 3\) could both be linkedin_url'):
        opened(tmp_path, *lines)
    assert next(opened(tmp_path, *lines, mapping={"linkedin_url": "B"}).contacts()).linkedin_url == f"{URL}-2"


def test_two_columns_of_addresses_under_unknown_headers_are_a_note(tmp_path):
    table = opened(tmp_path, "Name,Company,A,B", "Ada Love,Acme,a@acme.example,b@acme.example")
    assert table.notes == ['"A" and "B" could both be email: neither is used; --map "email=A"']


NAMES = ["Kunde,Vorname,Firma", "Dr. Ada Love,Bo,Acme"]


def test_a_column_that_is_mapped_as_a_full_name_is_split(tmp_path):
    table = opened(tmp_path, *NAMES, mapping={"full_name": "kunde"})
    halves = opened(tmp_path, *NAMES, mapping={"first_name": "Kunde", "last_name": "Kunde"})
    assert list(table.contacts()) == list(halves.contacts())
    (contact,) = table.contacts()
    assert (contact.first_name, contact.last_name, contact.company_name) == ("Ada", "Love", "Acme")
    assert [*table.split_samples()] == ["Dr. Ada Love"]


@each_case("half", ["first_name", "last_name"])
@each_case("header", ["Vorname", ""])
def test_a_full_name_and_a_half_of_it_cannot_both_be_mapped(half, header, tmp_path):
    says = f"full_name is split into first and last name, so {half} cannot have a column as well"
    with pytest.raises(TableError, match=says):
        opened(tmp_path, *NAMES, mapping={"full_name": "Kunde", half: header})


def test_a_full_name_that_cannot_be_one_is_named_as_it_was_mapped(tmp_path):
    with pytest.raises(TableError, match='there is no column "Kundn"; did you mean "Kunde"'):
        opened(tmp_path, *NAMES, mapping={"full_name": "Kundn"})
    with pytest.raises(TableError, match="no value of this column can be full_name, such as"):
        opened(tmp_path, HEADER, ADA, mapping={"full_name": "Email"})
    with pytest.raises(TableError, match='no field "fulname"; did you mean "full_name"'):
        opened(tmp_path, *NAMES, mapping={"fulname": "Kunde"})


def test_no_full_name_leaves_the_columns_of_its_halves(tmp_path):
    (contact,) = opened(tmp_path, HEADER, ADA, mapping={"full_name": ""}).contacts()
    assert (contact.first_name, contact.last_name) == ("Ada", "Love")
    (contact,) = opened(tmp_path, "Name,Profile", f"Ada Love,{URL}", mapping={"full_name": ""}).contacts()
    assert (contact.first_name, contact.last_name) == (None, None)
