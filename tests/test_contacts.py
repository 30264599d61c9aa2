"""The contact, and the quick way to make one."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.contacts import CONTACT_FIELDS, Contact, new_contact

some_fields = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(CONTACT_FIELDS, st.none() | st.text(max_size=3))
)


@given(some_fields)
def test_a_contact_made_the_quick_way_is_like_any_other(fields: dict[str, str | None]) -> None:
    quick, plain = new_contact(**fields), Contact(**fields)
    assert (quick, hash(quick), repr(quick)) == (plain, hash(plain), repr(plain))
    assert pickle.loads(pickle.dumps(quick)) == replace(quick) == plain
    with pytest.raises(FrozenInstanceError):
        quick.email = "another"  # type: ignore[misc]
