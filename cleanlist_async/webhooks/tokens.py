"""The last part of a submission's webhook address: its id, and the proof that we made it. Pure.

Webhooks are not signed (docs.cleanlist.ai/guides/receiving-webhooks), so the address must not be guessed.
Every process with the same secret recognises a token, even one that it has never seen, and whether it belongs
to a run, which ends with its process, or to a job, which outlives it.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias
from uuid import uuid4

from cleanlist_async.checks import a_type
from cleanlist_async.errors import ConfigurationError
from cleanlist_async.redact import Secret

SECRET_VARIABLE: Final = "CLEANLIST_WEBHOOK_SECRET"  # noqa: S105  # a name, not a secret

_SHORTEST_SECRET: Final = 16
Kind: TypeAlias = Literal["run", "job"]
# Different texts under the same secret, so that a token of one kind is no valid token of the other.
_PURPOSES: Final[Mapping[Kind, bytes]] = {
    "run": b"cleanlist_async webhook ",
    "job": b"cleanlist_async webhook of a job ",
}
_TOKEN: Final = re.compile(r"([0-9a-f]{32})([0-9a-f]{32})", re.ASCII)
"""128 bits of the submission's id, and 128 bits of proof."""


def new_submission_id() -> str:
    """Return a new, unique id."""
    return uuid4().hex


def token_of(submission_id: str, secret: Secret, kind: Kind = "run") -> str:
    """Return the token of a submission."""
    return submission_id + _proof(submission_id, secret, kind)


def submission_of(token: object, secret: Secret, kind: Kind = "run") -> str | None:
    """Return the id of the submission that a token was made for; None if it is forged or of another kind."""
    parts = _TOKEN.fullmatch(token) if isinstance(token, str) else None
    # Compared in constant time: the time must not show how much of a forged proof is right.
    if parts is None or not hmac.compare_digest(parts[2], _proof(parts[1], secret, kind)):
        return None
    return parts[1]


def is_token(text: object) -> bool:
    """Whether a text has the form of a token, whoever made it."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def find_secret(given: str | None) -> Secret:
    """Return the secret that was given, or that of the environment, or a random one of this process.

    Raises ConfigurationError, which never shows it, for one that is short, or not printable ASCII.
    """
    source = "secret" if given is not None else f"${SECRET_VARIABLE}"
    text = os.environ.get(SECRET_VARIABLE) if given is None else given
    if text is None:
        return Secret(secrets.token_urlsafe(32))
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"{source} must be text, not {a_type(text)}.")
    if not all("!" <= character <= "~" for character in text):
        raise ConfigurationError(
            f"{source} contains white space, a newline, or a character beyond ASCII.",
            fix="A secret read from a file often ends in a newline: strip it.",
        )
    if len(text) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"{source} must have at least {_SHORTEST_SECRET} characters.",
            fix="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return Secret(text)


def _proof(submission_id: str, secret: Secret, kind: Kind) -> str:
    claim = _PURPOSES[kind] + submission_id.encode()
    return hmac.new(secret.reveal().encode(), claim, "sha256").hexdigest()[:32]
