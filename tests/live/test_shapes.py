from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.live.shapes import header_names, member, parsed, shape, word

ALLOWED = {
    "text",
    "text (uuid)",
    "text (id with uuid)",
    "text (time with zone)",
    "text (time without zone)",
    "text (url)",
    "text (path)",
    "text (number)",
    "integer",
    "number",
    "boolean",
    "null",
    "object",
    "list",
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def leaves(form):
    if isinstance(form, dict) and form.keys() == {"list of", "count"}:
        assert isinstance(form["count"], int)
        for inner in form["list of"]:
            yield from leaves(inner)
    elif isinstance(form, dict):
        for inner in form.values():
            yield from leaves(inner)
    else:
        yield form


@given(VALUES)
def test_a_shape_holds_no_value(value):
    assert set(leaves(shape(value))) <= ALLOWED


@given(st.text(min_size=1))
def test_names_that_could_be_data_are_left_out(name):
    (shown,) = shape({name: 1})
    assert shown == "*" or ((shown == name and name.replace("$", "").isidentifier()) or shown == "$")


def test_what_a_shape_tells():
    answer = {
        "workflow_id": "enrich-9852c021-1fd5-4ce1-a0ee-523bce7d7212",
        "created": "2026-05-12 09:31:44",
        "when": "2026-05-12T09:31:44Z",
        "link": "https://x.example/?sig=secret",
        "by": {"ada@x.example": 1, "Ada Love": 2},
        "rows": [{"a": 1}, {"a": 2}, {"a": None}],
    }
    assert shape(answer) == {
        "workflow_id": "text (id with uuid)",
        "created": "text (time without zone)",
        "when": "text (time with zone)",
        "link": "text (url)",
        "by": {"*": "integer"},
        "rows": {"list of": [{"a": "integer"}, {"a": "null"}], "count": 3},
    }


@given(st.text() | st.none() | st.integers())
def test_words_are_words_of_the_api(text):
    said = word(text)
    assert said == "(other)" or (said == text and said.replace("_", "").isalpha() and said.islower())


def test_words_headers_and_members():
    assert word("completed_with_errors") == "completed_with_errors"
    assert word("Ada Love") == word("ada@x.example") == "(other)"
    assert header_names(["x-b", "x-a", "x-b", "ada@x"]) == ["*", "x-a", "x-b"]
    assert member({"a": {"b": 1}}, "a", "b") == 1
    assert member({"a": [1]}, "a", "b") is None
    assert parsed(b"{nothing") is None
    assert parsed(json.dumps([1]).encode()) == [1]


def test_a_deep_answer_is_cut():
    value: object = 1
    for _ in range(50):
        value = {"a": value}
    assert json.dumps(shape(value)).count("a") < 12
