"""What proves that ids follow the order of contacts, and what contradicts it."""

import pytest

from cleanlist_async.enrich.matching import Match
from tests.enrich.rows import ADA, BOB, CY, IDS, emails, named, row


def test_a_silent_row_is_given_by_position_only_where_the_others_prove_the_order():
    rows = [row("t0", "ada", "Ada Lovelace"), row("t1", "bob", "Bob Kahn"), row("t2", "?")]
    assert emails([ADA, BOB, CY], IDS, rows)[2] == "?"
    assert emails([ADA, BOB, CY], IDS, rows[1:]) == {1: "bob"}
    assert emails([ADA, BOB, CY], ["t1", "t0", "t2"], rows) == {0: "ada", 1: "bob"}
    assert emails([ADA, BOB, CY], IDS, [row(t, t) for t in IDS]) == {}


def test_many_agreeing_rows_prove_the_order_to_the_rest():
    contacts = [named(f"F{i}", f"L{i}") for i in range(10)]
    ids = [f"t{i}" for i in range(10)]

    def said(count):
        return [row(ids[i], str(i), f"F{i} L{i}" if i < count else None) for i in range(10)]

    assert len(emails(contacts, ids, said(8))) == 10
    assert len(emails(contacts, ids, said(7))) == 7


@pytest.mark.parametrize(
    ("eighth", "ninth"),
    [
        ("f9.l9@a.io", "f8.l8@a.io"),
        ("f9_l9@mail.example", None),
        (None, "l8.f8@mail.example"),
        ("x@nine.io", "y@eight.io"),
        ("f@nine.io", None),
    ],
)
def test_two_exchanged_ids_of_silent_rows_show_in_an_address(eighth, ninth):
    contacts = [named(f"F{i}", f"L{i}") for i in range(8)]
    contacts += [named("F8", "L8", "eight.io"), named("F9", "L9", "nine.io")]
    rows = [row(f"t{i}", str(i), f"F{i} L{i}") for i in range(8)]
    rows += [row("t8", eighth), row("t9", ninth)]
    assert set(emails(contacts, [f"t{i}" for i in range(10)], rows)) == set(range(8))


@pytest.mark.parametrize(
    ("eighth", "ninth"),
    [
        ("f8.l8@nine.io", "f9@nine.io"),
        ("8@uk.eight.io", "9@mail.example"),
        ("f0.l0@eight.io", "9@a.io"),
        (None, None),
    ],
)
def test_addresses_that_are_nobody_elses_leave_the_order_proven(eighth, ninth):
    contacts = [named(f"F{i}", f"L{i}") for i in range(8)]
    contacts += [named("F8", "L8", "eight.io"), named("F9", "L9", "nine.io")]
    rows = [row(f"t{i}", str(i), f"F{i} L{i}") for i in range(8)]
    rows += [row("t8", eighth), row("t9", ninth)]
    assert len(emails(contacts, [f"t{i}" for i in range(10)], rows)) == 10


def test_two_exchanged_ids_of_namesakes_show_in_nothing_so_that_both_stay_pending():
    contacts = [named(f"F{i}", f"L{i}") for i in range(8)] + [
        named("Wei", "Wang"),
        named("Wei", "Wang", "b.io"),
    ]
    rows = [row(f"t{i}", str(i), f"F{i} L{i}") for i in range(8)]
    silent, told = [row("t8", "1"), row("t9", "2")], [row("t8", "1", "Wei Wang"), row("t9", "2", "Wei Wang")]
    alike = [row("t8", "same", "Wei Wang"), row("t9", "same", "Wei Wang")]
    ids = [f"t{i}" for i in range(10)]
    assert set(emails(contacts, ids, rows + silent)) == set(range(8))
    assert set(emails(contacts, ids, rows + told)) == set(range(8))
    assert set(emails(contacts, ids, rows + alike)) == set(range(10))
    assert Match(contacts, ids, rows, whole=True).trusted_ids[8:] == (None, None)


def test_a_row_with_the_name_of_another_contact_disproves_the_order_of_a_part():
    contacts = [named(f"F{i}", f"L{i}") for i in range(10)]
    ids = [f"t{i}" for i in range(10)]
    rows = [row(f"t{i}", str(i), f"F{i} L{i}") for i in range(8)] + [row("t8", "9", "F9 L9"), row("t9", "8")]
    assert set(emails(contacts, ids, rows, whole=False)) == set(range(8))


def test_one_row_that_belongs_elsewhere_disproves_the_order():
    contacts = [named(f"F{i}", f"L{i}") for i in range(11)]
    rows = [row(f"t{i}", str(i), f"F{i} L{i}") for i in range(8)]
    rows += [row("t8", "9", "F9 L9"), row("t9", "?"), row("t10", "?")]
    assert set(emails(contacts, [f"t{i}" for i in range(11)], rows)) == {*range(8), 9}


def test_no_id_is_kept_for_later_where_a_row_contradicts_their_order():
    """Eight of ten that come later would be in place, though two of the workflow were not."""
    contacts = [named(f"F{i}", f"L{i}") for i in range(12)]
    ids = [f"t{i}" for i in range(12)]
    exchanged = [row("t10", "11", "F11 L11"), row("t11", "10", "F10 L10")]
    assert Match(contacts, ids, exchanged, whole=True).trusted_ids == (*[None] * 10, "t10", "t11")
    assert Match(contacts, ids, [], whole=True).trusted_ids == tuple(ids)
