"""Whose row is it? Unit tests of the rules, and properties over any order, loss and likeness of rows."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cleanlist_async import Contact
from cleanlist_async.enrich.matching import Match, match_rows
from tests.enrich.rows import ADA, BOB, CY, IDS, emails, named, row, saying
from tests.support.cases import each_case
from tests.support.examples import examples


def test_rows_in_place_that_agree():
    rows = [row("t0", "ada", "Ada Lovelace"), row("t1", "bob", "Bob Kahn"), row("t2", "cy", "Cy Young")]
    assert emails([ADA, BOB, CY], IDS, rows) == {0: "ada", 1: "bob", 2: "cy"}


@pytest.mark.parametrize("ids", [["t2", "t0", "t1"], [None] * 3], ids=["shuffled", "none"])
def test_rows_that_say_who_they_are_need_no_order(ids):
    rows = [row("t0", "ada", "Ada Lovelace"), row("t1", "bob", "Bob Kahn"), row("t2", "cy", "Cy Young")]
    assert emails([ADA, BOB, CY], ids, rows) == {0: "ada", 1: "bob", 2: "cy"}


@pytest.mark.parametrize("ids", [["t0", "t1"], [None] * 2], ids=["in order", "none"])
def test_an_address_that_spells_anothers_name_does_not_outweigh_the_half_of_the_own(ids):
    contacts = [
        Contact(last_name="Kahn", company_domain="a.io", linkedin_url="linkedin.com/in/ada-lee"),
        Contact(last_name="Lee", company_domain="a.io", linkedin_url="linkedin.com/in/0"),
    ]
    rows = [row("t0", "kahn", "Ada Kahn"), row("t1", "lee", "Ada Lee")]
    assert emails(contacts, ids, rows).get(0) != "lee"
    agreeing = [Contact(first_name="Ada", linkedin_url="linkedin.com/in/ada-lee"), CY]
    assert (
        emails(agreeing, [None] * 2, [row("t0", "lee", "Ada Lee"), row("t1", "cy", "Cy Young")])[0] == "lee"
    )


def test_namesakes_without_employer_in_the_row_are_not_told_apart():
    contacts = [named("John", "Smith", "a.io"), named("John", "Smith", "b.io"), CY]
    rows = [row("t0", "b", "John Smith"), row("t1", "a", "John Smith"), row("t2", "cy", "Cy Young")]
    assert emails(contacts, IDS, rows) == {2: "cy"}
    assert emails(contacts, [None] * 3, rows) == {2: "cy"}


def test_namesakes_at_one_employer_are_told_apart_by_linkedin_only():
    contacts = [named("John", "Smith", linkedin_url=f"https://linkedin.com/in/js{i}") for i in range(2)]
    bare = [
        row("t0", "1", "John Smith", company_domain="a.io"),
        row("t1", "0", "John Smith", company_domain="a.io"),
    ]
    assert emails(contacts, ["t0", "t1"], bare) == {}
    told = [
        row("t0", "1", "John Smith", company_domain="a.io", linkedin_url="https://www.linkedin.com/in/JS1/"),
        row("t1", "0", "John Smith", company_domain="a.io", linkedin_url="http://de.linkedin.com/in/js0?x=1"),
    ]
    assert emails(contacts, ["t0", "t1"], told) == {0: "0", 1: "1"}


def test_namesakes_at_two_employers_are_told_apart_by_employer():
    contacts = [named("John", "Smith", "a.io"), named("John", "Smith", "b.io")]
    rows = [
        row(None, "b", "John Smith", company_domain="b.io"),
        row(None, "a", "John Smith", company_domain="a.io"),
    ]
    assert emails(contacts, [None, None], rows) == {0: "a", 1: "b"}


def test_a_namesake_who_moved_to_the_others_employer_is_not_taken_for_them():
    """Row t0 is John of a.io, who moved to b.io, in its right place; John of b.io was not found."""
    others = [named(f"F{i}", f"L{i}") for i in range(8)]
    contacts = [named("John", "Smith", "a.io"), named("John", "Smith", "b.io"), *others]
    ids = [f"t{i}" for i in range(10)]
    rows = [row("t0", "john of a", "John Smith", company_domain="b.io"), row("t1", None)]
    rows += [row(f"t{i + 2}", str(i), f"F{i} L{i}") for i in range(8)]
    assert set(emails(contacts, ids, rows)) == set(range(2, 10))
    assert 1 not in emails(contacts, ids, rows[:4])


def test_one_who_changed_jobs_is_known_by_place_if_the_order_is_proven():
    rows = [row("t0", "ada", "Ada Lovelace", company_domain="new.io"), row("t1", "bob", "Bob Kahn")]
    assert emails([ADA, BOB], IDS[:2], rows) == {0: "ada", 1: "bob"}
    assert emails([ADA, BOB, CY], IDS, rows) == {1: "bob"}


@each_case(
    ("first", "last", "said"),
    [
        ("Юрий", "Гагарин", "Yuri Gagarin"),
        ("Jörg", "Müller", "Joerg Mueller"),
        ("Øystein", "Åse", "Oystein Aase"),
        ("Bob", "Lee", "Robert Q. Lee"),
        ("小明", "王", "Xiaoming Wang"),
    ],
)
def test_other_spellings_are_no_contradiction(first, last, said):
    rows = [row("t0", "found", said), row("t1", "bob", "Bob Kahn")]
    assert emails([named(first, last), BOB], IDS[:2], rows) == {0: "found", 1: "bob"}


def test_another_name_is_a_contradiction_even_where_the_order_is_proven():
    rows = [row("t0", "eve", "Eve Stranger"), row("t1", "bob", "Bob Kahn")]
    assert emails([ADA, BOB], IDS[:2], rows) == {1: "bob"}
    assert emails([ADA], ["t0"], [row("t0", "eve", "Eve Stranger")]) == {}


def test_an_input_echo_decides_whatever_else_the_row_carries():
    contacts = [ADA, BOB]
    bob = {"first_name": " bob ", "last_name": "KAHN", "company_domain": "www.a.io"}
    ada = {"first_name": "Ada", "last_name": "Lovelace", "company_domain": "a.io", "email": None}
    rows = [row("t0", "bob", "Ada Lovelace", input=bob), row("t1", "ada", "Bob Kahn", input=ada)]
    assert emails(contacts, IDS[:2], rows) == {0: "ada", 1: "bob"}
    assert emails(contacts, [None, None], rows) == {0: "ada", 1: "bob"}


def test_linkedin_only_contacts_with_silent_rows():
    contacts = [Contact(linkedin_url=f"https://linkedin.com/in/p{i}") for i in range(3)]
    silent = [row(f"t{i}", str(i)) for i in range(3)]
    assert emails(contacts, IDS, silent) == {}
    assert emails(contacts[:1], IDS[:1], silent[:1]) == {0: "0"}
    named_slugs = [Contact(linkedin_url=f"linkedin.com/in/{n}-7b1") for n in ("ada-lovelace", "bob-kahn")]
    assert emails(
        named_slugs, [None] * 2, [row(None, "bob", "Bob Kahn"), row(None, "ada", "Ada Lovelace")]
    ) == {
        0: "ada",
        1: "bob",
    }


def test_two_slugs_that_spell_one_name_are_ambiguous():
    contacts = [Contact(linkedin_url=f"linkedin.com/in/john-smith-{i}") for i in range(2)]
    rows = [row("t0", "1", "John Smith"), row("t1", "0", "John Smith")]
    assert emails(contacts, IDS[:2], rows) == {}
    both = [named("John", "Smith"), contacts[0]]
    assert emails(both, IDS[:2], [row("t0", "?", "John Smith", company_domain="a.io"), row("t1", "??")]) == {}


def test_a_row_that_may_be_a_strangers_is_given_to_no_contact():
    """Rows t0 and t1 are swapped and one is missing: the name might be that behind the opaque address."""
    contacts = [ADA, Contact(linkedin_url="https://linkedin.com/in/al77")]
    stranger = row("t0", "not hers?", "Ada Lovelace")
    assert emails(contacts, IDS[:2], [stranger]) == {}
    assert emails(contacts, [None, None], [stranger]) == {}
    assert emails(contacts, IDS[:2], [stranger, row("t1", "eve", "Eve Moneypenny")]) == {
        0: "not hers?",
        1: "eve",
    }


def test_rows_of_merged_duplicates_go_to_all_who_are_that_person():
    url = "https://linkedin.com/in/ada"
    contacts = [named("Ada", "Lovelace", linkedin_url=url), Contact(linkedin_url=url), BOB]
    echo = {"first_name": "Ada", "last_name": "Lovelace", "company_domain": "a.io", "linkedin_url": url}
    for carried in ({"linkedin_url": url}, {"input": echo}):
        rows = [row("m0", "ada", "Ada Lovelace", **carried), row("m1", "bob", "Bob Kahn")]
        assert emails(contacts, [None] * 3, rows) == {0: "ada", 1: "ada", 2: "bob"}


def test_misses_may_be_anyones_when_nothing_else_is_left():
    def miss(task_id, status="failed"):
        return saying(task_id=task_id, status=status)

    ada = row("t1", "ada", "Ada Lovelace")
    assert emails([ADA, BOB, CY], IDS, [miss("t0"), ada, miss("t2")]) == {0: "ada", 2: None}
    assert emails([ADA, BOB, CY], IDS, [miss(t) for t in IDS]) == dict.fromkeys(range(3))
    assert emails([ADA, BOB, CY], IDS, [miss("t0"), miss("t1")]) == {}
    assert emails([ADA, BOB, CY], IDS, [miss("t0"), miss("t1"), row("t2", "?")]) == {}


def test_of_part_of_a_workflow_nothing_is_concluded_from_absence():
    john = named("John", "Smith", "b.io")
    stranger = row("other", "not his", "John Smith")
    assert emails([john], ["t0"], [stranger]) == {0: "not his"}
    assert emails([john], ["t0"], [stranger], whole=False) == {}
    assert emails([john], ["t0"], [stranger, row("t0", "his?", "John Smith")], whole=False) == {}
    assert emails([john], ["t0"], [row("t0", "his", "John Smith")], whole=False) == {0: "his"}
    assert emails([john], ["t0"], [row("t0", "silent")], whole=False) == {}
    assert emails([john], ["t0"], [saying(task_id="t0", status="failed")], whole=False) == {}


@pytest.mark.parametrize("theirs", ["linkedin.com/in/ada-king", "linkedin.com/in/ACoAAB7", "sales/lead/ACw1"])
def test_a_profile_of_another_address_is_no_proof_in_a_part_of_a_workflow(theirs):
    ada = named("Ada", "Lovelace", linkedin_url="linkedin.com/in/ada")
    rows = [row("t0", "ada?", "Ada Lovelace", company_domain="a.io", linkedin_url=theirs)]
    assert emails([ada], ["t0"], rows, whole=False) == {}
    assert emails([ada], ["t0"], rows) == {0: "ada?"}
    rows += [row("t1", "bob", "Bob Kahn")]
    assert emails([ada, BOB], IDS[:2], rows) == {0: "ada?", 1: "bob"}


@pytest.mark.parametrize("theirs", ["linkedin.com/in/wei-2", "linkedin.com/in/ACoAAB7"])
def test_a_renamed_profile_is_joined_beside_a_namesake_only_if_that_has_a_row_of_its_own(theirs):
    weis = [named("Wei", "Wang", linkedin_url=f"linkedin.com/in/wei-{n}") for n in range(2)]
    others = [named(f"F{n}", f"L{n}") for n in range(8)]
    ids = [f"t{n}" for n in range(10)]
    own = row("t1", "other", "Wei Wang", company_domain="a.io", linkedin_url=weis[1].linkedin_url)
    rows = [row("t0", "wei", "Wei Wang", company_domain="a.io", linkedin_url=theirs), own]
    rows += [row(f"t{n + 2}", str(n), f"F{n} L{n}") for n in range(8)]
    assert emails([*weis, *others], ids, rows)[0] == "wei"
    assert 0 not in emails([*weis, *others], ids, [*rows[:1], row("t1", None), *rows[2:]])


def test_a_nickname_does_not_make_a_namesakes_row_the_own():
    contacts = [named("Robert", "Lee"), named("Bob", "Lee", "b.io"), CY]
    rows = [row("t1", "bob", "Robert Lee", company_domain="a.io"), row("t2", "cy", "Cy Young")]
    for ids in (IDS, [None] * 3):
        assert emails(contacts, ids, rows) == {2: "cy"}


def test_a_name_with_a_word_less_is_not_taken_for_that_of_a_namesake():
    cut = row("t0", "marias", "Ana Lee", company_domain="a.io")
    for other in (named("Ana", "Lee"), Contact(linkedin_url="linkedin.com/in/ana-lee-7")):
        contacts = [named("Ana Maria", "Lee"), other, CY]
        assert "marias" not in emails(contacts, ["t1", "t0", "t2"], [cut]).values()


def test_a_name_with_a_word_less_is_given_to_its_own_where_the_other_has_a_row_of_its_own():
    contacts = [named("Ana Maria", "Lee"), named("Ana", "Lee")]
    rows = [row("t0", "ana", "Ana Lee"), saying(task_id="t1", email="maria", full_name="Ana Maria Lee")]
    assert emails(contacts, ["t1", "t0"], rows) == {0: "maria", 1: "ana"}


def test_of_two_rows_whose_names_differ_by_a_word_either_may_be_that_of_a_nameless_contact():
    contacts = [named("Ana Maria", "Lee"), Contact(linkedin_url="linkedin.com/in/al77")]
    rows = [row("t1", "marias", "Ana Lee"), saying(task_id="t0", email="hidden", full_name="Ana Maria Lee")]
    assert emails(contacts, [None] * 2, rows) == {}


def test_an_id_is_not_kept_where_a_namesake_with_a_word_more_may_have_it():
    contacts = [named("Ana Maria", "Lee"), named("Ana", "Lee"), CY]
    assert Match(contacts, IDS, [], whole=True).trusted_ids == (None, None, "t2")


def test_of_three_contacts_that_are_two_people_all_need_a_row_to_be_told_apart_by_employer():
    john = named("John", "Smith", "a.io")
    rows = [row(None, "moved", "John Smith", company_domain="b.io")]
    rows += [row(None, "his", "John Smith", company_domain="a.io")]
    assert emails([john, john, named("John", "Smith", "b.io")], [None] * 3, rows) == {}


def test_an_id_is_kept_for_later_only_where_no_namesake_may_have_it():
    contacts = [named("John", "Smith"), named("John", "Smith", "b.io"), CY]
    assert Match(contacts, IDS, [row("t2", "cy", "Cy Young")], whole=True).trusted_ids == (None, None, "t2")
    assert Match(contacts[1:], IDS[1:], [], whole=True).trusted_ids == ("t1", "t2")
    hidden = [*contacts[1:], Contact(linkedin_url="linkedin.com/in/al77")]
    assert Match(hidden, IDS, [], whole=True).trusted_ids == (None, None, "t2")


@each_case("url", ["//[", "http://[::1", "https://linkedin.com/in/%", "\x00", "in/", "//a:b/in/c"])
def test_strange_addresses_break_nothing(url):
    contact = Contact(linkedin_url=url, first_name="A", last_name="B", company_domain=url)
    strange = row("t0", linkedin_url=url, company_domain=f"x{url}", input={"linkedin_url": url})
    assert isinstance(match_rows([contact, ADA], ["t0", None], [strange]), dict)


# -- properties ------------------------------------------------------------------------------------


people = st.builds(
    Contact,
    first_name=st.sampled_from(["Ada", "Bob", "Юрий", None]),
    last_name=st.sampled_from(["Lee", "Kahn"]),
    company_domain=st.sampled_from(["a.io", "b.io"]),
    linkedin_url=st.integers(0, 9).map(lambda n: f"https://linkedin.com/in/{n}")
    | st.just("linkedin.com/in/ada-lee"),
)


def carried(contact, what):
    """What a truthful server says of a contact; it knows the name of everybody."""
    names = (
        {"first_name": contact.first_name or "Ada", "last_name": contact.last_name} if "name" in what else {}
    )
    employer = {"company_domain": contact.company_domain} if "employer" in what else {}
    linkedin = {"linkedin_url": contact.linkedin_url} if "linkedin" in what else {}
    echo = (
        {"input": {n: v for n in Contact.__slots__ if (v := getattr(contact, n))}} if "input" in what else {}
    )
    return {**names, **employer, **linkedin, **echo}


@settings(max_examples=examples(300))
@given(
    st.lists(people, min_size=1, max_size=12, unique=True),
    st.lists(st.sets(st.sampled_from(["name", "employer", "linkedin", "input"])), min_size=12, max_size=12),
    st.booleans(),
    st.sets(st.integers(0, 11)),
    st.randoms(use_true_random=False),
)
def test_no_truthful_row_ever_goes_to_another(contacts, says, ids_are_off, lost, rng):
    """Ids and rows in any order. One LinkedIn address is one person, so they are unique here."""
    assume(len({contact.linkedin_url for contact in contacts}) == len(contacts))
    says = [says[0]] * 12  # a server says as much of one as of another
    order = list(range(len(contacts)))
    rng.shuffle(order)
    ids = [None if ids_are_off else f"t{task}" for task in order]
    rows = [
        saying(task_id=f"t{n}", status="completed", email=str(n), **carried(contacts[n], says[n]))
        for n in range(len(contacts))
        if n not in lost
    ]
    rng.shuffle(rows)
    if order == list(range(len(contacts))):
        assert all(found.email == str(at) for at, found in match_rows(contacts, ids, rows).items())
    for at, found in match_rows(contacts, ids, rows).items():
        assert found.email == str(at), (at, found)


@settings(max_examples=examples(200))
@given(st.lists(people, min_size=1, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_rows_that_echo_their_input_are_all_given_in_any_order(contacts, rng):
    rows = [row(f"t{n}", str(n), **carried(contacts[n], {"input"})) for n in range(len(contacts))]
    ids = [f"t{n}" for n in rng.sample(range(len(contacts)), len(contacts))]
    rng.shuffle(rows)
    assert emails(contacts, ids, rows) == {n: str(n) for n in range(len(contacts))}


def test_a_full_chunk_in_order_is_given_whole():
    rng = random.Random(1)
    contacts = [
        Contact(linkedin_url=f"https://linkedin.com/in/opaque{n}")
        if n % 3
        else named(f"F{n}", f"L{rng.random()}")
        for n in range(250)
    ]
    rows = [
        row(f"t{n}", str(n) if n % 5 else None, f"{c.first_name} {c.last_name}" if c.first_name else None)
        for n, c in enumerate(contacts)
    ]
    assert len(emails(contacts, [f"t{n}" for n in range(250)], rows)) == 250
