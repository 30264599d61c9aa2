"""What a value of a frame, a database or a file says in a text field."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.contacts.identity import Prepared, prepare
from cleanlist_async.contacts.texts import as_text, is_absent
from tests.support.cases import each_case

MISSING = {
    "None": None,
    "NaN": float("nan"),
    "NaN of numpy": np.float32("nan"),
    "NaN of decimals": Decimal("NaN"),
    "a signalling NaN": Decimal("sNaN"),
    "NA": pd.NA,
    "NaT": pd.NaT,
    "NaT of numpy": np.datetime64("NaT", "s"),
    "empty text": "",
    "blank text": " \t\u00a0",
}


@each_case("name", MISSING)
def test_a_missing_value_is_absent(name: str) -> None:
    assert is_absent(MISSING[name])


@each_case("name", MISSING)
def test_a_contact_is_sent_without_its_missing_values(name: str) -> None:
    contact = prepare(0, {"linkedin_url": "ada", "email": MISSING[name], "key": MISSING[name]})
    assert isinstance(contact, Prepared)
    assert contact.payload == b'{"linkedin_url":"ada"}'
    assert is_absent(contact.contact.email)
    assert is_absent(contact.contact.key)


@each_case(
    ("value", "text"),
    [
        ("0071", "0071"),
        (4711, "4711"),
        (4711.0, "4711"),
        (np.int64(-3), "-3"),
        (np.float32(12), "12"),
        (Decimal("1E+3"), "1000"),
        (Fraction(8, 2), "4"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (np.str_("Ada"), "Ada"),
    ],
)
def test_a_whole_number_is_text(value: object, text: str) -> None:
    assert as_text(value) == text


@each_case(
    "value",
    [
        *(True, np.True_, 0.5, Decimal("0.1"), float("inf"), Decimal("-Infinity"), 1 << 2_000, 2 + 0j),
        *(b"ada", bytearray(b"x"), ["ada"], {"a": 1}, date(2026, 1, 1), datetime.now(UTC), np.array([1, 2])),
    ],
)
def test_anything_else_is_neither_text_nor_absent(value: object) -> None:
    assert (as_text(value), is_absent(value)) == (None, False)


@given(st.integers(-(10**15), 10**15))
def test_a_column_of_floats_gives_the_digits_of_its_integers(number: int) -> None:
    assert as_text(float(number)) == as_text(number) == str(number)
