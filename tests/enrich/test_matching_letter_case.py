"""Contacts that differ only in letter case are two: nobody knows that they are one person."""

import pytest

from cleanlist_async import Contact
from cleanlist_async.enrich.matching import Match
from tests.enrich.rows import CY, IDS, emails, named, row

LOWER, UPPER = named("Wei", "Wang", "huawei.com"), named("WEI", "WANG", "HUAWEI.COM")


def test_contacts_that_differ_in_letter_case_are_not_given_each_others_rows():
    rows = [row("t1", "lower", "Wei Wang"), row("t0", "upper", "Wei Wang"), row("t2", "cy", "Cy Young")]
    assert emails([LOWER, UPPER, CY], IDS, rows) == {2: "cy"}
    assert Match([LOWER, UPPER, CY], IDS, rows[2:], whole=True).trusted_ids == (None, None, "t2")


def test_an_input_in_its_letter_case_tells_such_contacts_apart():
    lower, upper = ({name: getattr(one, name) for name in Contact.__slots__} for one in (LOWER, UPPER))
    rows = [row("t1", "lower", input=lower), row("t0", "upper", input=upper)]
    assert emails([LOWER, UPPER], IDS[:2], rows) == {0: "lower", 1: "upper"}
    neither = row("t0", "?", input={**lower, "last_name": "wang"})
    assert emails([LOWER, UPPER, CY], IDS, [neither]) == {}


def test_an_input_in_another_letter_case_is_no_proof_in_a_part_of_a_workflow():
    upper = {name: getattr(UPPER, name) for name in Contact.__slots__}
    assert emails([LOWER], ["t0"], [row("t1", "upper", input=upper)], whole=False) == {}
    assert emails([LOWER], ["t0"], [row("t1", "upper", input=upper)]) == {0: "upper"}


@pytest.mark.parametrize("address", ["linkedin.com/in/ACoAAB{}", "linkedin.com/profile/view?id=AAk{}"])
def test_ids_of_profiles_that_differ_in_letter_case_are_two_people(address):
    contacts = [Contact(linkedin_url=address.format(end)) for end in ("xY", "Xy")]
    inputs = [{"linkedin_url": one.linkedin_url} for one in contacts]
    rows = [row("t1", "first", input=inputs[0]), row("t0", "second", input=inputs[1])]
    assert emails(contacts, IDS[:2], rows) == {0: "first", 1: "second"}
    assert emails(contacts[1:], ["t1"], rows[:1], whole=False) == {}
