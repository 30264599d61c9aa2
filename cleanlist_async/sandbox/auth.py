"""The caller of a request: Bearer credentials only (docs.cleanlist.ai/api-reference/authentication)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .identity import key_id_of
from .refusals import RefusedError

SCHEME: Final = "Bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """An accepted credential."""

    key_id: str
    organization_id: str
    has_key_limit: bool
    """False for a session token, which passes the organization's limit only."""

    @property
    def user_id(self) -> str:
        """The user whose credential it is."""
        # A user for each key, so that tests see lists and runs of one user hidden from another.
        return "user_" + self.key_id.removeprefix("key_")


class Keyring:
    """The credentials that are known, and what each may do."""

    def __init__(
        self,
        *,
        organization_id: str,
        api_keys: tuple[str, ...],
        no_api_keys: tuple[str, ...],
        jwts: tuple[str, ...],
    ) -> None:
        def caller(credential: str, *, has_key_limit: bool) -> Caller:
            return Caller(key_id_of(credential), organization_id, has_key_limit)

        self._callers = {key: caller(key, has_key_limit=True) for key in api_keys}
        self._callers |= {jwt: caller(jwt, has_key_limit=False) for jwt in jwts}
        self._without_access = set(no_api_keys)

    def revoke(self, credential: str) -> None:
        """Refuse a credential from now on."""
        self._callers.pop(credential, None)
        self._without_access.discard(credential)

    def identify(self, authorization: str | None) -> Caller:
        """Return the sender of this ``Authorization`` header.

        Raises RefusedError 401 for a missing, malformed, unknown or revoked credential; 403 for
        a plan without API access.
        """
        # X-API-Key and basic auth are refused as well; the word Bearer and one space are required.
        if authorization is None or not authorization.startswith(SCHEME):
            raise RefusedError(401)
        credential = authorization[len(SCHEME) :]
        # 403 and not 401: the key is good, but its plan has no API access.
        if credential in self._without_access:
            raise RefusedError(403)
        if credential not in self._callers:
            raise RefusedError(401)
        return self._callers[credential]
