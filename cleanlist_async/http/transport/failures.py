"""Why a request got no answer, in words."""

from __future__ import annotations

import ssl
from typing import Final

from cleanlist_async.errors import APIConnectionError
from cleanlist_async.redact import one_line

_MOST_CAUSES: Final = 20


def describe(problem: Exception) -> str:
    """Return the class and the message of an exception on one line."""
    return f"{type(problem).__name__}: {one_line(str(problem))}".rstrip(": ")


def certificate_problem(problem: BaseException) -> str | None:
    """Return why the certificate of a server was refused; None if it is not that."""
    cause: BaseException | None = problem
    for _ in range(_MOST_CAUSES):  # hooks and transports of the caller's may chain them in a circle
        if cause is None:
            break
        if isinstance(cause, ssl.SSLCertVerificationError):
            return one_line(cause.verify_message).removesuffix(".")
        cause = cause.__cause__ or cause.__context__
    return None


def not_trusted(server: str, reason: str) -> APIConnectionError:
    """Return the error of a server whose certificate is refused; not a byte of the request left."""
    return APIConnectionError(
        f"The certificate of {server} is not trusted: {reason}.",
        fix="If a proxy here inspects TLS, or the server has a private authority, name the file of its"
        " certificates: SSL_CERT_FILE, verify= or --ca-bundle. Else check this machine's clock.",
        retryable=False,
    )
