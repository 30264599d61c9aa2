"""Why a request got no answer, in words."""

from __future__ import annotations

import re
import ssl
from typing import Final

from cleanlist_async.errors import APIConnectionError, APITimeoutError, CleanlistError
from cleanlist_async.redact import one_line
from cleanlist_async.types import Failure

_MOST_CAUSES: Final = 20
_SILENT: Final = {
    "ConnectError": "the connection was closed before TLS was agreed on; does what answers there speak TLS?",
}
"""What is meant by an exception without a message."""
_PROXY_STATUS: Final = re.compile(r"ProxyError: (\d{3})\b")
_PROXY_FIXES: Final = {
    "403": "The proxy does not allow this host: ask whoever runs it, or name another one or none"
    " (HTTPS_PROXY, NO_PROXY, proxy= or --proxy).",
    "407": "The proxy wants a user and a password: give them in its address (HTTPS_PROXY, proxy="
    " or --proxy).",
}
_CHECK: Final = "Check this machine's network and DNS, and base_url (CLEANLIST_BASE_URL)."


def describe(problem: Exception) -> str:
    """Return the class and the message of an exception on one line."""
    if "WRONG_VERSION_NUMBER" in str(problem):  # the words of OpenSSL for whatever is no TLS
        return "what answers there does not speak TLS"
    said = one_line(str(problem)) or _SILENT.get(type(problem).__name__, "")
    return f"{type(problem).__name__}: {said}".rstrip(": .")


def no_connection(server: str, reason: str, *, sent: bool) -> APIConnectionError:
    """Return the error of a request that got no answer; of one that was not *sent*, with what to check."""
    if sent:
        return APIConnectionError(f"No answer from {server}: {reason}.")
    proxy = _PROXY_STATUS.match(reason)
    fix, retryable = _CHECK, None
    if proxy is not None and (by_status := _PROXY_FIXES.get(proxy[1])) is not None:
        fix, retryable = by_status, False  # it would say the same again
    elif "TLS" in reason or "ssl" in reason.lower():
        fix = "Nothing there has a certificate: check the address, and whether a proxy is in between."
    # As `Transport` names a server that it reaches so.
    elif " through the proxy " in server:
        fix = f"Check the proxy. {_CHECK}"
    return APIConnectionError(
        f"No answer from {server}: {reason}. Nothing was sent.", fix=fix, retryable=retryable
    )


def failure_of(error: CleanlistError) -> Failure | None:
    """Return what went wrong below HTTP by the error that it became; None where HTTP worked."""
    if isinstance(error, APITimeoutError):
        return "timeout"
    return "connection" if isinstance(error, APIConnectionError) else None


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
