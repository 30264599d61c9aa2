"""Which keys are taken, and how the others are refused without being shown."""

from __future__ import annotations

import traceback

import pytest

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.http.credentials import find_credentials
from tests.support.cases import each_case

JWT = "eyJhbGci.eyJzdWIi.c2ln"
VARIABLE = "CLEANLIST_API_KEY"


def revealed(given: object, environment: dict[str, str] | None = None) -> list[str]:
    return [secret.reveal() for secret in find_credentials(given, environment or {})]  # type: ignore[arg-type]


@each_case("key", ["clapi_abc", "clapi_live_x", "sk_live_x", "x", "~!\"#$%&'()*+,-./:;<=>?@[]^_`{|}", JWT])
def test_any_printable_ascii_is_a_key(key: str) -> None:
    assert revealed(key) == [key]
    assert revealed([key]) == [key]
    if "," not in key:
        assert revealed(None, {VARIABLE: key}) == [key]


def test_several_keys_are_kept_in_order_and_once() -> None:
    assert revealed(["b", "a", "b"]) == ["b", "a"]
    assert revealed(("a", "b")) == ["a", "b"]
    assert revealed(None, {VARIABLE: "a,b,,a,"}) == ["a", "b"]


def test_what_is_given_comes_before_the_environment() -> None:
    assert revealed("given", {VARIABLE: "from-the-environment"}) == ["given"]


def test_a_jwt_stands_alone() -> None:
    assert find_credentials(JWT, {})[0].is_jwt
    for mixed in ([JWT, "a"], ["a", JWT], [JWT, JWT + "x"]):
        with pytest.raises(ConfigurationError, match="JWT"):
            revealed(mixed)


@each_case("given", ["", " ", "\n", [], (), [""], ["a", ""], ["a", " "], None])
def test_no_key_says_where_to_get_one(given: object) -> None:
    with pytest.raises(ConfigurationError, match="There is no API key in") as caught:
        revealed(given)
    assert "portal" in str(caught.value)
    assert VARIABLE in str(caught.value)


@pytest.mark.parametrize("environment", [{}, {VARIABLE: ""}, {VARIABLE: " , "}, {"OTHER": "x"}])
def test_an_empty_environment_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=rf"no API key in \${VARIABLE}"):
        revealed(None, environment)


@each_case(
    "tail",
    ["\n", "\r\n", " ", "\t", "\x00", "\x7f", "\u00a0", "é", "\u200b", "\ud800", "\n ", "😀"],
)
@each_case("place", ["{1}{0}", "{0}{1}", "x{1}{0}"])
def test_any_other_character_is_refused_and_the_key_not_shown(tail: str, place: str) -> None:
    key = place.format("CANARY", tail)
    for given, environment in ((key, {}), (["fine", key], {}), (None, {VARIABLE: key})):
        try:
            find_credentials(given, environment)
        except ConfigurationError as error:
            assert error.billed == "no"
            shown = f"{error} {error!r} {vars(error)}" + "".join(traceback.format_exception(error))
            assert "CANARY" not in shown
            assert error.__cause__ is None
            assert error.__context__ is None
        else:
            pytest.fail("it was accepted")


@each_case(
    "given", [5, b"CANARY", bytearray(b"CANARY"), {"CANARY": 1}, {"CANARY"}, [5], [None], [b"CANARY"], True]
)
def test_what_is_no_text_is_refused_by_its_type(given: object) -> None:
    with pytest.raises(ConfigurationError, match="must be text, not") as caught:
        revealed(given)
    assert "CANARY" not in str(caught.value)
