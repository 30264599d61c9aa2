"""Logging as ``$CLEANLIST_LOG`` asks for it, for programs that set up none of their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from cleanlist_async.errors import ConfigurationError

VARIABLE: Final = "CLEANLIST_LOG"
LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

log: Final = logging.getLogger("cleanlist_async")


def set_up_logging(environment: Mapping[str, str]) -> None:
    """Log at the level that the environment names, if it does; to stderr unless a handler is set up.

    Raises ConfigurationError for a level that does not exist.
    """
    word = environment.get(VARIABLE, "").strip().lower()
    if not word:
        return
    if word not in LEVELS:
        raise ConfigurationError(f"${VARIABLE} must be one of {', '.join(LEVELS)}.")
    log.setLevel(LEVELS[word])
    if not log.hasHandlers():  # of its own, or of the root logger
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
