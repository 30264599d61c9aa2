"""Finds the keys to send with, given or of the environment, and remembers which started what workflow."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Final, Self, TypeAlias, cast

import anyio

from cleanlist_async.checks import a_type, check_function
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.facts import API_KEY_FILE_VARIABLE, API_KEY_VARIABLE, MAX_KEY_FILE_BYTES
from cleanlist_async.ratelimit import Route
from cleanlist_async.redact import Secret

_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Origin:
    """The key that started a workflow, and the time of the answer by the limiter's clock."""

    key: str | None
    at: float


class WorkflowKeys:
    """The origins of the latest 10,000 workflows of a client."""

    def __init__(self) -> None:
        self._origins: dict[str, Origin] = {}

    def __contains__(self, id_: object) -> bool:
        return id_ in self._origins

    def remember(self, id_: object, origin: Origin) -> None:
        """Record the origin of a workflow; anything but non-empty text is not an id."""
        if isinstance(id_, str) and id_:
            self._origins[id_] = origin
            # Ten thousand are almost three hours of submits at 60 a minute; the oldest goes first.
            if len(self._origins) > _KEPT:
                del self._origins[next(iter(self._origins))]

    def origin(self, id_: str) -> Origin | None:
        """Return the origin of a workflow; None where it is no longer known, or never was."""
        return self._origins.get(id_)


log: Final = logging.getLogger("cleanlist_async")

JWT_NAME: Final = ""
"""The name of a session token: its permits name no key."""
KeysGiven: TypeAlias = "str | Sequence[str] | Callable[[], str | Sequence[str]] | None"
"""One key, several keys of one organization, a JWT, or a function that returns any of these."""
TenantKeys: TypeAlias = "str | Sequence[str] | Callable[[], str | Sequence[str]] | EllipsisType"
"""As `KeysGiven`, for another organization; ``...`` for the client's own."""


def find_credentials(given: KeysGiven, environment: Mapping[str, str]) -> tuple[Secret, ...]:
    """Return the keys to send with: one or several of one organization, or one JWT.

    A key is any non-empty printable ASCII: the prefixes documented (``clapi_``) and seen differ. Raises
    ConfigurationError, which never shows the key, for anything else.
    """
    if given is None:
        source, texts = _of_environment(environment)
    elif callable(given):
        source, texts = "api_key()", _listed(_returned(given))
    else:
        source, texts = "api_key", _listed(given)
    secrets = tuple(dict.fromkeys(_secret(text, source) for text in texts))  # one key has one bucket
    if not secrets:
        raise _missing(source)
    if len(secrets) > 1 and any(secret.is_jwt for secret in secrets):
        raise ConfigurationError(
            "A JWT cannot be mixed with other keys.", fix="Give several keys, or one JWT."
        )
    return secrets


@dataclass(frozen=True, slots=True)
class KeyReader:
    """Reads keys again from where they may change: a function of the caller's, or a file."""

    function: Callable[[], str | Sequence[str]] | None = None
    path: str | None = None

    @classmethod
    def of(cls, given: KeysGiven, environment: Mapping[str, str]) -> Self | None:
        """Return the reader of the keys that `find_credentials` finds; None for keys that cannot change."""
        if callable(given):
            return cls(function=given)
        path = environment.get(API_KEY_FILE_VARIABLE) if given is None else None
        return cls(path=path) if path else None

    def read(self) -> tuple[Secret, ...]:
        """Return the keys. Raises ConfigurationError."""
        return find_credentials(self.function, {API_KEY_FILE_VARIABLE: self.path} if self.path else {})


def _of_environment(environment: Mapping[str, str]) -> tuple[str, list[object]]:
    text, path = environment.get(API_KEY_VARIABLE, ""), environment.get(API_KEY_FILE_VARIABLE)
    if not path:
        # A trailing comma is no mistake here; within a given sequence, an empty key is one.
        return f"${API_KEY_VARIABLE}", [key for key in text.split(",") if key.strip()]
    if text.strip():
        raise ConfigurationError(
            f"Both {API_KEY_VARIABLE} and {API_KEY_FILE_VARIABLE} are set.", fix="Unset one of them."
        )
    source = f"the file of ${API_KEY_FILE_VARIABLE}"
    return source, [key for line in _lines(path, source) for key in re.split(r"[\s,]+", line) if key]


def _lines(path: str, source: str) -> list[str]:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES + 1)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or "it is no path"
        raise ConfigurationError(f"{source[0].upper()}{source[1:]} cannot be read: {reason}.") from None
    if len(content) > MAX_KEY_FILE_BYTES:
        raise ConfigurationError(f"{source[0].upper()}{source[1:]} is too large to hold keys.")
    # Any byte becomes a character, and one that no key has is refused with the others.
    return content.removeprefix(b"\xef\xbb\xbf").decode("latin-1").splitlines()


def _returned(function: Callable[[], object]) -> object:
    check_function("api_key", function)
    try:
        return function()
    except Exception as problem:  # noqa: BLE001  # whatever the caller's function raises
        # Without its text and its frames, which may hold a key.
        name = type(problem).__name__
    raise ConfigurationError(f"api_key() failed with {name}.", fix="It must return a key, or several.")


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
        fix=f"Set {API_KEY_VARIABLE} or {API_KEY_FILE_VARIABLE}, or pass api_key=."
        " Create a key in the portal under Settings, API Keys.",
    )


class Credentials:
    """The keys of a client by their names, and the buckets that its requests pass.

    `secrets` include those of requests that are still on their way; that of a JWT, which passes the
    organization's bucket alone, is ``""``. `route` has the buckets of the keys that the server accepts.
    """

    def __init__(
        self,
        secrets: Sequence[Secret],
        organization: str | None,
        base_url: str,
        reader: KeyReader | None = None,
    ) -> None:
        # Names hold the origin: a sandbox and the real API share no limit, whatever key they are used with.
        self._origin = base_url.partition("://")[2]
        self._reader = reader
        self._reading = anyio.Lock()
        self.secrets = self._named(secrets)
        name = organization or _claimed_organization(secrets[0]) or f"organization of {secrets[0]!r}"
        self.route = self._route(f"{name}@{self._origin}")

    def set_aside(self, name: str) -> int:
        """Use a key no more that the server refuses; return how many others are left.

        The last key stays: its refusal is what the caller is to see.
        """
        others = self.route.without(name)
        if others.keys:
            self.route = others
        return len(others.keys)

    async def renewed(self, refused: Secret) -> bool:
        """Read the keys again, where they may have changed; return whether others are in use now."""
        if self._reader is None:
            return False
        async with self._reading:  # of many calls that are refused at once, the first reads them
            if all(self.secrets[name] != refused for name in self.route.keys or (JWT_NAME,)):
                return True
            try:
                # In a thread: a function of the caller's may ask a vault.
                secrets = await asyncio.get_running_loop().run_in_executor(None, self._reader.read)
            except ConfigurationError as problem:
                log.warning("the API key was refused, and cannot be read again: %s", problem)
                return False
            if refused in secrets:
                return False
            was, self.secrets = self.secrets, self._named(secrets)
            self.route = self._route(self.route.organization)
            # Requests with the keys of before may still be on their way.
            self.secrets |= {name: was[name] for name in was if name not in self.secrets}
            log.info("the API key was refused, and read again from where it is kept")
            return True

    def _named(self, secrets: Sequence[Secret]) -> dict[str, Secret]:
        if secrets[0].is_jwt:
            return {JWT_NAME: secrets[0]}
        return {f"{secret!r}@{self._origin}": secret for secret in secrets}

    def _route(self, home: str) -> Route:
        return Route(tuple(name for name in self.secrets if name != JWT_NAME), home)


def _claimed_organization(secret: Secret) -> str | None:
    """Return the organization that a JWT names, else one of its user: a renewed one shares the bucket."""
    if not secret.is_jwt:
        return None
    payload = secret.reveal().split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return None
    if not isinstance(claims, dict):
        return None
    read = cast("dict[str, object]", claims).get
    for name in ("organization_id", "org_id", "organization", "org"):
        if isinstance(value := read(name), str) and value:
            return value
    user = read("sub")
    # Its fingerprint, for it may be an address.
    return f"organization of user {Secret(user).fingerprint}" if isinstance(user, str) and user else None
