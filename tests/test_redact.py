"""A secret does not show itself, and server text cannot carry one or forge a line."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanlist_async.redact import Secret, one_line, scrub, scrub_json
from tests.support.cases import each_case

CANARY = "my-CANARY-key-0123"
JWT = "eyJhbGciOi.eyJzdWIiOiJ.c2ln-bmF0_dXJl"


def test_no_way_of_printing_shows_it() -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{secret}",
        repr([secret]),
        repr({"k": secret}),
    ]
    assert not any("CANARY" in text for text in shown)
    assert not hasattr(secret, "__dict__")
    assert secret.reveal() == CANARY


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_it_leaves_the_process_by_no_serialization(way: object) -> None:
    with pytest.raises(TypeError) as caught:
        way(Secret(CANARY))  # type: ignore[operator]
    assert "CANARY" not in str(caught.value)


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise RuntimeError

    try:
        fail(Secret(CANARY))
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret = <key" in shown
    assert "CANARY" not in shown.replace("CANARY)", "")  # but for the name in the source line


def test_equal_keys_are_equal_and_have_one_fingerprint() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret(CANARY + "x")
    assert Secret(CANARY) != CANARY
    assert Secret(CANARY).fingerprint == Secret(CANARY).fingerprint != Secret(CANARY + "x").fingerprint


@each_case(
    ("text", "is_jwt"),
    [
        (JWT, True),
        ("eyJ.a.b", True),
        ("eyJ.a", False),
        ("eyJ.a.b.c", False),
        ("eyJ.a.", False),
        ("eyj.a.b", False),
        ("xeyJ.a.b", False),
        ("eyJ.a.b=", False),
        ("eyJ.a.ü", False),
        ("clapi_abc", False),
    ],
)
def test_what_a_session_token_is(text: str, is_jwt: bool) -> None:  # noqa: FBT001
    assert Secret(text).is_jwt is is_jwt
    assert repr(Secret(text)).startswith("<JWT" if is_jwt else "<key")


@each_case(
    ("text", "scrubbed"),
    [
        ("key clapi_abc-DEF_1 is bad", "key *** is bad"),
        ("clapi_live_x, clext_y; sk_live_z", "***, ***; ***"),
        ('{"k":"clapi_x"}', '{"k":"***"}'),
        ("'clapi_x'", "'***'"),
        ("Authorization: Bearer abc", "Authorization: ***"),
        ("authorization: bearer  abc", "authorization: ***"),
        (f"token {JWT}.", "token ***"),
        (f"eyJa.{JWT}", "***"),
        (f"{JWT}.iv.text.tag", "***"),
        ("eyJa..iv.text.tag", "***"),
        ("eyJa.eyJb. is unsigned", "*** is unsigned"),
        ("eyJa.b is none", "eyJa.b is none"),
        ("nothing here", "nothing here"),
        ("api.cleanlist.ai", "api.cleanlist.ai"),
        ("", ""),
    ],
)
def test_scrub(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed


@pytest.mark.slow
@pytest.mark.parametrize("first_to_go", [0, 1])
def test_a_key_in_use_is_blotted_out_until_its_last_holder_is_gone(first_to_go: int) -> None:
    holders = [Secret(CANARY), Secret(CANARY)]
    assert scrub(f"a {CANARY} b") == "a *** b"
    del holders[first_to_go]
    gc.collect()
    assert scrub(f"a {CANARY} b") == "a *** b"
    holders.clear()
    gc.collect()
    assert CANARY in scrub(f"a {CANARY} b")


def test_a_very_short_key_does_not_blot_out_ordinary_words() -> None:
    secret = Secret("key")
    assert scrub("the key is bad") == "the key is bad"
    del secret


def test_scrub_json_reaches_everything() -> None:
    found = scrub_json({"clapi_a": ["clapi_b", {"c": "clapi_d", "n": 5, "f": 1.5, "t": True, "x": None}]})
    assert found == {"***": ["***", {"c": "***", "n": 5, "f": 1.5, "t": True, "x": None}]}


@each_case(
    ("text", "line"),
    [
        ("a\r\nb\tc", "a b c"),
        ("a\x1b[31mb", "a [31mb"),
        ("a\u2028b\u2029c\x85d\x00e", "a b c d e"),
        ("  a  ", "a"),
        ("\n", ""),
        ("clapi_x\nclapi_y", "*** ***"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_one_line_is_cut() -> None:
    assert one_line("x" * 301) == "x" * 299 + "…"
    assert one_line("x" * 300) == "x" * 300
    assert one_line("abcdef", 4) == "abc…"


@given(st.text())
def test_one_line_is_always_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert len(one_line(text)) <= 300
