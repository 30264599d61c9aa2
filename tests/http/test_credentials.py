"""Which keys are taken, and how the others are refused without being shown."""

from __future__ import annotations

import base64
import json
import traceback

import pytest

from cleanlist_async.errors import ConfigurationError
from cleanlist_async.http.credentials import Credentials, find_credentials
from cleanlist_async.redact import Secret
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


def organization_of(token: str) -> str:
    return Credentials([Secret(token)], None, "https://api.example").route.organization


def token_with(claims: object, signature: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGci.{payload}.{signature}"


@each_case("claims", [{"org_id": "org_1"}, {"sub": "user_1"}, {"organization_id": "org_1", "sub": "user_1"}])
def test_a_renewed_session_token_is_of_the_same_organization(claims: dict[str, object]) -> None:
    old, renewed = (token_with(claims | {"exp": at}, f"sign{at}") for at in (1, 2))
    assert organization_of(old) == organization_of(renewed)
    assert organization_of(old) != organization_of(token_with({"org_id": "org_2", "sub": "user_2"}, "sign"))


def test_an_organization_that_a_session_token_names_is_the_one_that_answers_name() -> None:
    assert organization_of(token_with({"org_id": "org_1"}, "sign")) == "org_1@api.example"


@each_case("claims", [{}, [], 5, None, {"org_id": 7}, {"sub": ""}, "text"])
def test_a_session_token_without_such_claims_has_an_organization_of_its_own(claims: object) -> None:
    one, two = token_with(claims, "one"), token_with(claims, "two")
    assert organization_of(one) != organization_of(two)


def test_a_torn_session_token_has_an_organization_of_its_own() -> None:
    assert organization_of(JWT) != organization_of(JWT + "x")


def test_the_user_that_a_session_token_names_is_not_shown() -> None:
    assert "ada" not in organization_of(token_with({"sub": "ada@example.com"}, "sign"))
