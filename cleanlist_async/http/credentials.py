"""Finds the keys to send with: those given, or those of the environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from cleanlist_async.checks import a_type
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import API_KEY_VARIABLE
from cleanlist_async.ratelimit import Route
from cleanlist_async.redact import Secret


def find_credentials(given: str | Sequence[str] | None, environment: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return the keys to send with: one or several of one organization, or one JWT.

    A key is any non-empty printable ASCII: the prefixes documented (``clapi_``) and seen differ. Raises
    ConfigurationError, which never shows the key, for anything else.
    """
    if given is None:
        source = f"${API_KEY_VARIABLE}"
        # A trailing comma is no mistake here; within a given sequence, an empty key is one.
        texts: list[object] = [
            text for text in environment.get(API_KEY_VARIABLE, "").split(",") if text.strip()
        ]
    else:
        source = "api_key"
        texts = _listed(given)
    secrets = tuple(dict.fromkeys(_secret(text, source) for text in texts))  # one key has one bucket
    if not secrets:
        raise _missing(source)
    if len(secrets) > 1 and any(secret.is_jwt for secret in secrets):
        raise ConfigurationError(
            "A JWT cannot be mixed with other keys.", fix="Give several keys, or one JWT."
        )
    return secrets


def _listed(given: object) -> list[object]:
    if isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray):
        return list(cast("Sequence[object]", given))
    return [given]


def _secret(text: object, source: str) -> Secret:
    if not isinstance(text, str):
        raise ConfigurationError(f"{source} must be text, not {a_type(text)}.")
    if not text.strip():
        raise _missing(source)
    # httpx would quote the whole header, key included, in its own error about such a character.
    if not all("!" <= character <= "~" for character in text):
        raise ConfigurationError(
            f"{source} contains a character that no key has: white space, a newline, or one beyond ASCII.",
            fix="A key read from a file often ends in a newline: strip it.",
        )
    return Secret(text)


def _missing(source: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no API key in {source}.",
        fix=f"Set {API_KEY_VARIABLE}, or pass api_key=. Create a key in the portal under Settings, API Keys.",
    )


def route_of(
    secrets: Sequence[Secret], organization: str | None, base_url: str
) -> tuple[dict[str, Secret], Route]:
    """Name the keys, and the buckets that their requests pass; a JWT passes the organization's alone."""
    # Names hold the origin: a sandbox and the real API share no limit, whatever key they are used with.
    origin = base_url.partition("://")[2]
    home = f"{organization or 'organization of ' + repr(secrets[0])}@{origin}"
    if secrets[0].is_jwt:
        return {"": secrets[0]}, Route((), home)
    names = {f"{secret!r}@{origin}": secret for secret in secrets}
    return names, Route(tuple(names), home)
