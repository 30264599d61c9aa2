"""Which contacts may be sent, as which bytes, and who is a duplicate of whom."""

from __future__ import annotations

import json
from collections import UserDict
from hashlib import blake2b
from types import MappingProxyType
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.contacts.contact import API_FIELDS, CONTACT_FIELDS, Contact
from cleanlist_async.contacts.identity import (
    LONGEST_VALUE,
    RULE,
    Invalid,
    Prepared,
    is_sufficient,
    prepare,
)
from cleanlist_async.contacts.texts import cleaned, is_placeholder, is_profile
from tests.support.cases import each_case

NAME = {"first_name": "Ada", "last_name": "Byron"}


def payload(given: object) -> dict[str, str]:
    prepared = prepare(0, given)  # type: ignore[arg-type]
    assert isinstance(prepared, Prepared), prepared
    decoded: dict[str, str] = json.loads(prepared.payload)
    return decoded


def reason(given: object) -> str:
    invalid = prepare(7, given)  # type: ignore[arg-type]
    assert isinstance(invalid, Invalid)
    assert invalid.index == 7
    return invalid.reason


@each_case(
    ("fields", "enough"),
    [
        ({"linkedin_url": "x"}, True),
        ({**NAME, "company_name": "x"}, True),
        ({**NAME, "company_domain": "x"}, True),
        ({**NAME, "email": "a@b.c"}, False),
        (NAME, False),
        ({"first_name": "x", "company_name": "x", "company_domain": "x"}, False),
        ({"last_name": "x", "company_domain": "x"}, False),
        ({"email": "a@b.c"}, False),
        ({"linkedin_url": " \t "}, False),
        ({"linkedin_url": None, "email": None}, False),
        ({}, False),
    ],
)
def test_the_documented_rule(fields: dict[str, str | None], enough: bool) -> None:  # noqa: FBT001
    assert isinstance(prepare(0, fields), Prepared) is enough
    assert isinstance(prepare(0, Contact(**fields)), Prepared) is enough
    if not enough:
        assert reason(fields).startswith("needs ")


@each_case(
    ("fields", "why"),
    [
        ({}, RULE),
        ({"email": "a@b.c"}, RULE),
        (NAME, "needs (company_domain or company_name), or linkedin_url"),
        ({"first_name": "Ada"}, "needs last_name + (company_domain or company_name), or linkedin_url"),
        ({"first_name": "Ada", "company_name": "x"}, "needs last_name, or linkedin_url"),
        ({"last_name": "Byron", "company_domain": "x"}, "needs first_name, or linkedin_url"),
        ({"company_domain": "x"}, "needs first_name + last_name, or linkedin_url"),
    ],
)
def test_the_reason_names_the_fields_that_are_missing(fields, why):
    assert reason(fields) == why


fields = st.fixed_dictionaries({}, optional={name: st.text(max_size=5) for name in API_FIELDS})


@given(fields)
def test_the_rule_for_any_combination(given_fields: dict[str, str]) -> None:
    seen = {name: cleaned(value) for name, value in given_fields.items()}
    there = {name: value for name, value in seen.items() if value and not is_placeholder(name, value)}
    if not is_profile(there.get("linkedin_url", "")):
        there.pop("linkedin_url", None)
    prepared = prepare(3, given_fields)
    assert isinstance(prepared, Prepared) is is_sufficient(there)
    if isinstance(prepared, Prepared):
        assert json.loads(prepared.payload) == there
        assert (prepared.index, len(prepared.identity)) == (3, 16)
        again = prepare(9, Contact(**dict(reversed(given_fields.items())), key="mine"))
        assert isinstance(again, Prepared)
        assert (again.payload, again.identity) == (prepared.payload, prepared.identity)


values = st.none() | st.text(max_size=5) | st.integers(0, 1) | st.binary(max_size=2)


@given(st.dictionaries(st.sampled_from((*CONTACT_FIELDS, "linkedin", "")) | st.integers(0, 1), values))
def test_a_dict_is_read_as_any_other_mapping_and_as_a_contact(given_fields: dict[str, str]) -> None:
    prepared = prepare(3, given_fields)
    assert prepared == prepare(3, UserDict(given_fields))
    if given_fields.keys() <= set(CONTACT_FIELDS):
        as_contact = prepare(3, Contact(**given_fields))
        assert said_of(prepared) == said_of(as_contact)


def said_of(contact: Prepared | Invalid) -> bytes | str:
    return contact.payload if isinstance(contact, Prepared) else contact.reason


def test_it_is_sent_as_given_less_the_white_space_around() -> None:
    given_fields = {"linkedin_url": " HTTPS://LinkedIn.com/in/Ada?x=1 \n", "first_name": "Ünï  cödé\u2028"}
    assert payload(given_fields) == {
        "linkedin_url": "HTTPS://LinkedIn.com/in/Ada?x=1",
        "first_name": "Ünï  cödé",
    }


def test_the_callers_own_key_is_never_sent() -> None:
    assert payload({"linkedin_url": "x", "key": "mine"}) == {"linkedin_url": "x"}
    prepared = prepare(0, {"linkedin_url": "x", "key": "mine"})
    assert prepared.contact.key == "mine"


@pytest.mark.parametrize("mapping", [dict, UserDict, MappingProxyType])
def test_any_mapping_will_do(mapping: type) -> None:
    assert payload(mapping({"linkedin_url": "x"})) == {"linkedin_url": "x"}


@each_case(
    ("given", "why"),
    [
        (None, "is a NoneType, not a Contact or a mapping"),
        ("ada@x.com", "is a str, not"),
        (["linkedin_url"], "is a list, not"),
        ({"linkedin_url": True}, "linkedin_url must be text, not a bool"),
        ({"linkedin_url": "x", "email": ["a"]}, "email must be text, not a list"),
        ({"linkedin_url": b"x"}, "must be text, not bytes"),
        ({"linkedin_url": "x", "first_name": 0.5}, "first_name must be text, not a float"),
        ({"linkedin": "x"}, "unknown field 'linkedin'; did you mean linkedin_url?"),
        ({"firstname": "x"}, "did you mean first_name?"),
        ({"zzz": "x"}, "unknown field 'zzz'; the fields are linkedin_url, first_name"),
        ({5: "x"}, "unknown field '5'"),
        ({"x" * 1_000: "x"}, "unknown field 'xxx"),
        ({"linkedin_url": "x" * (LONGEST_VALUE + 1)}, "linkedin_url has 2,001 characters, more than 2,000"),
        ({"linkedin_url": "x" * 10_000_000}, "has 10,000,000 characters"),
        ({"linkedin_url": "x", "first_name": "\ud800"}, "lone surrogates"),
    ],
)
def test_what_is_kept_back_and_why(given: object, why: str) -> None:
    assert why in reason(given)
    assert len(reason(given)) < 200


def test_the_callers_key_comes_back_from_an_unreadable_mapping() -> None:
    invalid = prepare(0, {"key": "row-5", "linkedin_url": "x", "phone": "1"})
    assert isinstance(invalid, Invalid)
    assert (invalid.contact.key, invalid.contact.linkedin_url) == ("row-5", "x")


def test_the_longest_value_still_goes() -> None:
    assert payload({"linkedin_url": "x" * LONGEST_VALUE})


def test_characters_that_json_must_escape() -> None:
    awkward = 'a"b\\c\n</script>\u2029😀'
    assert payload({"linkedin_url": "x", "first_name": awkward})["first_name"] == awkward


def test_characters_that_nobody_sees_are_not_sent() -> None:
    hidden = "\ufeffA\u200bd\x00a\u00ad\u2060"
    assert payload({**NAME, "first_name": hidden, "company_name": "X"})["first_name"] == "Ada"
    joined = "a\u200cb"  # a joiner is a letter to some scripts
    assert payload({**NAME, "first_name": joined, "company_name": "X"})["first_name"] == joined


def identity_of(**contact: str) -> bytes:
    prepared = prepare(0, contact)
    assert isinstance(prepared, Prepared)
    return prepared.identity


def test_a_difference_in_more_than_spelling_is_another_identity() -> None:
    base = {**NAME, "company_name": "X"}
    assert identity_of(**base) == identity_of(**base, key="other", linkedin_url=" ")
    for other in ({"email": "a@b.c"}, {"company_name": "Y"}, {"first_name": "Ad", "last_name": "aByron"}):
        assert identity_of(**(base | other)) != identity_of(**base)


@each_case(
    "spelling",
    [
        {"first_name": "ADA", "last_name": "byron", "company_name": "x"},
        {"first_name": " Ada", "last_name": "Byron\u200b", "company_name": "X "},
        {"first_name": "A\u200dda", "last_name": "Byron", "company_name": "X"},
    ],
)
def test_spellings_of_a_name_are_one_identity(spelling: dict[str, str]) -> None:
    assert identity_of(**spelling) == identity_of(**NAME, company_name="X")


@each_case("spelling", ["ACME.com", "www.acme.com", "https://www.acme.com/", "http://acme.com", "acme.com."])
def test_spellings_of_a_domain_are_one_identity(spelling: str) -> None:
    assert identity_of(**NAME, company_domain=spelling) == identity_of(**NAME, company_domain="acme.com")
    assert identity_of(**NAME, company_domain=spelling) != identity_of(**NAME, company_domain="de.acme.com")


def test_composed_and_decomposed_letters_are_one_identity() -> None:
    composed = {"first_name": "José", "last_name": "Ångström", "company_name": "Straße"}
    decomposed = {"first_name": "Jose\u0301", "last_name": "A\u030angstro\u0308m", "company_name": "STRASSE"}
    assert identity_of(**composed) == identity_of(**decomposed)


@each_case(
    "address",
    [
        "https://www.linkedin.com/in/ada-love",
        "http://linkedin.com/in/ada-love/",
        "www.linkedin.com/in/ada-love",
        "linkedin.com/in/Ada-Love?trk=x",
        "https://de.linkedin.com/in/ada-love/de",
        "https://www.linkedin.com/in/ada%2Dlove#about",
        "https://m.linkedin.com/in/ada-love",
        "https://www.linkedin.com/mwlite/in/ada-love",
        "https://www.linkedin.com/in/ada-love/overlay/contact-info/",
        "\u200bhttps://www.linkedin.com/in/ada\u00ad-love\ufeff",
        "//uk.linkedin.com//in//ada-love",
        "<https://www.linkedin.com/in/ada-love>",
        "https://www.linkedin.com/in/ada-love;",
        "(linkedin.com/in/ada-love).",
        "ada-love",
    ],
)
def test_spellings_of_a_profile_are_one_identity(address: str) -> None:
    assert identity_of(linkedin_url=address) == identity_of(linkedin_url="https://linkedin.com/in/ada-love")


@each_case(
    "address",
    [
        "https://www.linkedin.com/in/ada-loves",
        "https://www.linkedin.com/sales/people/ada-love",
        "https://www.linkedin.com/pub/ada-love/1/2/3",
    ],
)
def test_what_is_not_that_profile_is_another_identity(address: str) -> None:
    assert identity_of(linkedin_url=address) != identity_of(linkedin_url="https://linkedin.com/in/ada-love")


def test_letter_case_counts_in_the_id_of_a_member() -> None:
    one, other = "https://linkedin.com/in/ACoAAAbC1x", "https://linkedin.com/in/ACoAAAbc1X"
    assert identity_of(linkedin_url=one) != identity_of(linkedin_url=other)
    assert identity_of(linkedin_url=one) == identity_of(linkedin_url=one.replace("https://", "www.") + "/")


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf")), max_size=20))
def test_the_bytes_are_those_that_a_journal_of_any_age_knows(text: str) -> None:
    name = normalize("NFC", f"x{text}")
    prepared = prepare(0, Contact(linkedin_url="x", first_name=name))
    assert isinstance(prepared, Prepared)
    sent = {"linkedin_url": "x", "first_name": name.strip()}
    plain = json.dumps(sent, ensure_ascii=False, separators=(",", ":"))
    assert prepared.payload == plain.encode()
    assert prepared.payload_digest == blake2b(prepared.payload, digest_size=16).digest()


@each_case("given", [{"first_name": "Jose\u0301"}, {"first_name": "Jos\u00e9"}])
def test_letters_are_sent_composed(given: dict[str, str]) -> None:
    assert payload({**NAME, **given, "company_name": "X"})["first_name"] == "Jos\u00e9"


PLACEHOLDERS = (
    *("N/A", "n/a", "#N/A", "#N/A!", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "NULL", "null", "(null)"),
    *("nan", "NaN", "none", "None", "nil", "undefined", "-", "--", "\u2013", "\u2014", ".", "...", "?"),
    *("_", "/", "*", "\\N", "<NA>", "NaT", "not available", "Unknown", "[object Object]", " N/A "),
)


@each_case("placeholder", PLACEHOLDERS)
@pytest.mark.parametrize("field", [*API_FIELDS])
def test_a_placeholder_is_no_value(placeholder: str, field: str) -> None:
    enough = {**NAME, "company_name": "X", "company_domain": "x.example", "linkedin_url": "in/ada"}
    sent = payload(enough | {field: placeholder})
    assert sent == {name: value for name, value in enough.items() if name != field}


@each_case("placeholder", PLACEHOLDERS)
def test_a_contact_of_placeholders_is_not_sent(placeholder: str) -> None:
    assert reason(dict.fromkeys(("first_name", "last_name", "company_name", "linkedin_url"), placeholder))


@each_case("name", ["Null", "Nan", "Na", "Nil", "Nat", "O", "\u674e", "X \u00c6 A-12", "N", "Nana", "Nonen"])
def test_names_that_look_like_placeholders_are_names(name: str) -> None:
    assert payload({"first_name": name, "last_name": name, "company_name": "X"})["last_name"] == name


NO_PROFILES = (
    "ada@acme.example",
    "https://www.linkedin.com/company/acme",
    "https://www.linkedin.com/school/mit/",
    "https://www.linkedin.com/feed/",
    "https://www.linkedin.com/in/",
    "https://www.linkedin.com/",
    "linkedin.com",
    "https://www.linkedin.com/jobs/view/123",
    "https://www.linkedin.com/posts/ada-love_x",
    "https://www.linkedin.com/search/results/people/?keywords=ada",
    "https://lnkd.in/abc",
    "https://twitter.com/ada",
    "https://acme.example/in/ada-love",
    "https://evil.example/linkedin.com/in/ada-love",
    "https://www.linkedin.com/in/ada-love; https://www.linkedin.com/in/bo",
    "https://www.linkedin.com/in/ada-love https://www.linkedin.com/in/bo",
    '=HYPERLINK("https://www.linkedin.com/in/ada-love","Ada")',
    "Ada Love",
    "acme.example",
)


@each_case("address", NO_PROFILES)
def test_what_is_no_profile_is_left_out_if_the_rest_is_enough(address: str) -> None:
    enough = {**NAME, "company_name": "X"}
    assert payload({**enough, "linkedin_url": address}) == enough
    assert "linkedin_url is not the address of a person" in reason({"linkedin_url": address})


@each_case(
    "address",
    [
        "https://www.linkedin.com/in/ada-love",
        "http://linkedin.com/in/ada-love/de?trk=x#about",
        "www.linkedin.com/in/%E5%B1%B1%E7%94%B0-1a2",
        "https://m.linkedin.com/in/ada-love",
        "https://www.linkedin.com/mwlite/in/ada-love",
        "https://de.linkedin.com/pub/ada-love/1/2/3",
        "https://www.linkedin.com/sales/lead/ACwAAA1,NAME_SEARCH,xY",
        "https://www.linkedin.com/sales/people/ACwAAA1",
        "https://www.linkedin.com/talent/profile/ACwAAA1",
        "/in/ada-love",
        "in/ada-love",
        "ada-love",
    ],
)
def test_a_profile_is_sent_as_given(address: str) -> None:
    assert payload({"linkedin_url": address}) == {"linkedin_url": address}


def test_a_lead_of_sales_navigator_is_one_however_it_is_shown() -> None:
    lead = "https://www.linkedin.com/sales/lead/ACwAAA1,NAME_SEARCH,xY?_ntb=1"
    assert identity_of(linkedin_url=lead) == identity_of(
        linkedin_url="https://www.linkedin.com/sales/people/ACwAAA1"
    )
