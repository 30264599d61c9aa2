"""Who decides at the terminal, for the audit trail."""

from __future__ import annotations


def actor() -> str:
    """Return the name of the user at the terminal; nothing where the system has no name for it."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
