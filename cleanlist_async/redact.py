"""Keeping secrets out of everything that can be printed, logged or pickled."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Never

_TOKEN: Final = re.compile(r"(?:cl(?:api|ext)_|sk_live_|Bearer\s+)[^\s\"',;<>]+|eyJ[\w-]+\.[\w-]+\.[\w-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_JWT: Final = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]+", re.ASCII)
_LONGEST_LINE: Final = 300


class Secret:
    """An API key or JWT that shows itself only to the code that asks for it by name."""

    __slots__ = ("_value", "fingerprint")

    def __init__(self, value: str) -> None:
        self._value = value
        self.fingerprint = hashlib.blake2b(value.encode(), digest_size=6).hexdigest()

    @property
    def is_jwt(self) -> bool:
        """Whether this is a session token: three base64url parts, the first beginning ``eyJ``."""
        return _JWT.fullmatch(self._value) is not None

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<{'JWT' if self.is_jwt else 'key'} {self.fingerprint}>"

    def __reduce__(self) -> Never:
        raise TypeError("an API key cannot be pickled or copied")


def scrub(text: str) -> str:
    """Return *text* with anything that looks like a key or a session token blotted out."""
    return _TOKEN.sub("***", text)


def one_line(text: str, limit: int = _LONGEST_LINE) -> str:
    """Return *text* scrubbed, on one line of at most *limit* characters, with no control characters.

    Server text goes through here before it reaches a message or a log, so that it can forge neither.
    """
    line = _CONTROL.sub(" ", scrub(text)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"
