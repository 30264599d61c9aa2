"""Names, employers and LinkedIn addresses, reduced to what stays the same however they are written."""

from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async import Contact
from cleanlist_async.enrich.normalize import domain, linkedin_slug, name_in, name_of, names_differ, words
from tests.enrich.rows import saying
from tests.support.cases import each_case


@each_case(
    ("url", "slug"),
    [
        ("https://www.linkedin.com/in/Ada-Lovelace/?trk=x", "ada-lovelace"),
        ("linkedin.com/in/ada/de", "ada"),
        ("in/ada", "ada"),
        ("linkedin.com/in/ACoAAB7xYz/", "ACoAAB7xYz"),
        ("https://linkedin.com/in/j%C3%B6rg", "jörg"),
        ("https://linkedin.com/pub/ada-lovelace/1/2b/3", "ada-lovelace/1/2b/3"),
        ("https://www.linkedin.com/sales/lead/ACwAAB,NAME_SEARCH,x1", "ACwAAB"),
        ("https://www.linkedin.com/profile/view?id=123", None),
        ("https://www.linkedin.com/company/acme", None),
        ("https://www.linkedin.com/in/", None),
        ("https://example.com/begin/ada", None),
        (None, None),
        ("", None),
    ],
)
def test_linkedin_slug(url, slug):
    assert linkedin_slug(url) == slug


def test_likeness_of_words():
    assert words("  Łukasz O'Brien-Smith ") == ("lukasz", "obrien", "smith")
    assert domain("HTTPS://user@www.A.io:80/x") == domain("a.io") == "a.io"
    assert name_of(Contact(first_name="A")) == frozenset()
    assert name_in(saying(full_name="Lovelace, Ada")) == frozenset({"ada", "lovelace"})
    assert names_differ(frozenset({"ada"}), frozenset({"bob"}))
    assert not names_differ(frozenset(), frozenset({"bob"}))


@given(st.text(st.characters(max_codepoint=127)) | st.text("aB1'_- "))
def test_words_without_accents_are_the_same_beside_one_that_has_them(text):
    assert words(f"{text} \u00e9") == (*words(text), "e")
