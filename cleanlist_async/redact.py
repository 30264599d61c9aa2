"""Keeps secrets out of everything that can be printed, logged or pickled."""

from __future__ import annotations

import hashlib
import re
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Never

if TYPE_CHECKING:
    from cleanlist_async.types import JSON

_TOKEN: Final = re.compile(
    r"(?:cl(?:api|ext)_|sk_live_|(?i:bearer)\s+)[^\s\"',;<>\\]+"
    r"|(?<![\w-])(?>[\w-]*?eyJ)[\w-]++(?:\.[\w-]*+){2,}+"
)
"""Takes linear time: a session token is searched once in each run of word characters, from the first ``eyJ``
on, without backtracking. All parts that follow belong to it: an encrypted token has five, some of them empty,
and it may follow another token."""
_MASK: Final = "***"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_JWT: Final = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]+", re.ASCII)
_LONGEST_LINE: Final = 300
_LONGEST_TEXT_READ: Final = 16_384
_LONGEST_SECRET: Final = 4_096
_SHORTEST_SECRET: Final = 8
"""Characters. Masking a shorter key would also mask ordinary words."""

_in_use: Final[weakref.WeakValueDictionary[int, Secret]] = weakref.WeakValueDictionary()


class Secret:
    """An API key or JWT, which only `reveal` shows. It *is_masked* wherever it stands in a text."""

    __slots__ = ("__weakref__", "_value", "fingerprint")

    def __init__(self, value: str, *, is_masked: bool = True) -> None:
        self._value = value
        # Keys in use are masked by their text: not all have a documented prefix.
        if is_masked and len(value) >= _SHORTEST_SECRET:
            # By identity: another client may have the same key, and keep it for longer.
            _in_use[id(self)] = self
        self.fingerprint = hashlib.blake2b(value.encode(errors="surrogatepass"), digest_size=6).hexdigest()

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
    """Return *text* with every key in use, and whatever looks like a key or session token, masked."""
    return _scrub(text, [secret for secret in _secrets_in_use() if secret in text])


def scrub_json(value: JSON) -> JSON:
    """Return *value* with every text in it scrubbed, names of fields included."""
    everything = "\n".join(_texts_in(value))  # one search finds that most answers hold no secret
    found = [secret for secret in _secrets_in_use() if secret in everything]
    return _scrub_json(value, found) if found or _TOKEN.search(everything) else value


def one_line(text: str, limit: int = _LONGEST_LINE) -> str:
    """Return *text* scrubbed, on one line of at most *limit* characters, with no control characters.

    Server text goes through here before it reaches a message or a log, so that it can forge neither. No more
    is read than its first 16,384 characters.
    """
    start = scrub(text[:_LONGEST_TEXT_READ])
    is_cut = len(text) > _LONGEST_TEXT_READ
    if is_cut:
        start = start[:-_LONGEST_SECRET]  # a secret that was cut in two would not be recognised
    line = _CONTROL.sub(" ", start).strip()
    return line if len(line) <= limit and not is_cut else line[: limit - 1] + "…"


def _secrets_in_use() -> Iterator[str]:
    # valuerefs() is a copy: a key may be collected, in any thread, while we iterate.
    for reference in _in_use.valuerefs():
        if (secret := reference()) is not None:
            yield secret.reveal()


def _scrub(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return _TOKEN.sub(_MASK, text)


def _scrub_json(value: JSON, secrets: Sequence[str]) -> JSON:
    if isinstance(value, str):
        return _scrub(value, secrets)
    if isinstance(value, list):
        return [_scrub_json(item, secrets) for item in value]
    if isinstance(value, dict):
        return {_scrub(name, secrets): _scrub_json(item, secrets) for name, item in value.items()}
    return value


def _texts_in(value: JSON) -> Iterator[str]:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            left += item
        elif isinstance(item, dict):
            yield from item
            left += item.values()
