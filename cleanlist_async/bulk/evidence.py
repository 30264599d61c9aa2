"""The rule of evidence: what the two sides say of a person, and what that proves of a row. Pure.

A contact and a row are compared in four things. Each is `SAME`, `OTHER`, or `OPEN`: a side is silent, or the two
cannot be compared ("Bob Lee" and "Robert Q. Lee", or a name in another script).

======  =======  =====  ==========  ============================================================================
input   profile  name   employer    whose row is it?
======  =======  =====  ==========  ============================================================================
same    any      any    any         CERTAIN: this contact's
any     same     any    any         CERTAIN: this contact's
any     any      other  any         NONE: not this contact's
other   not s.   open   any         NONE: the row says that it was made for somebody else
open    open     same   same, open  NAMED: by elimination; in a part of a workflow, at its place
other   not s.   same   same, open  DISPUTED: by elimination in a whole workflow; else in a proven order
open    other    same   same, open  DISPUTED
any     not s.   same   other       PLACED: only in a proven order (people change employers)
open    not s.   open   any         PLACED
======  =======  =====  ==========  ============================================================================

input
    The contact that the row repeats as the one it was made for.
profile
    The LinkedIn address. Two addresses that differ may be of one person: a profile gets renamed, and has an
    id (``ACoAA...``) beside its name. So a difference is no proof that these are two people, but name and
    employer do not outweigh it: in a large company there are namesakes.
name, employer
    A name is the same word for word; an employer by domain, else by name.

The words in capitals, from strong to weak:

CERTAIN
    Nothing else is asked.
by elimination
    All contacts of the workflow are known, and nobody else of them can be meant, whatever else the row
    carries: nobody else without a row has the name, in any of its forms, or a name that we do not know. Or
    somebody has, but all rows are there and named, so that the contact's own is among them. Of namesakes at
    several employers, each must have a row that names its own: one row that does not makes all of them
    doubtful, since one of them may have moved to the other's employer.
at its place
    The id of the row is that of the contact if ids follow the order of contacts, and no other row in sight
    has the name. Used where other contacts of the workflow are unknown; so an id must be trustworthy to be
    kept for that: see `matching.Match.trusted_ids`.
in a proven order
    There are as many ids as contacts, no row contradicts the order, and either all other rows are in their
    places, or so many that luck would have it less than once in a million times.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto


class Said(Enum):
    """How two sides agree in one thing."""

    SAME = auto()
    OTHER = auto()
    OPEN = auto()


class Evidence(IntEnum):
    """What a comparison proves, the strongest last. See the table above."""

    NONE = 0
    PLACED = 1
    DISPUTED = 2
    NAMED = 3
    CERTAIN = 4


def weigh(*, given: Said, profile: Said, name: Said, employer: Said) -> Evidence:
    """Return what the agreement in input (*given*), profile, name and employer proves: the table, line by line."""
    match given, profile, name, employer:
        case (Said.SAME, _, _, _) | (_, Said.SAME, _, _):
            return Evidence.CERTAIN
        case (_, _, Said.OTHER, _) | (Said.OTHER, _, Said.OPEN, _):
            return Evidence.NONE
        case (_, _, Said.OPEN, _) | (_, _, _, Said.OTHER):
            return Evidence.PLACED
        case (Said.OPEN, Said.OPEN, _, _):
            return Evidence.NAMED
        case _:
            return Evidence.DISPUTED


def agreement(same: bool | None) -> Said:  # noqa: FBT001 - the answer to a question
    """Return the agreement of two sides that are the same, are not, or cannot be compared (None)."""
    return Said.OPEN if same is None else Said.SAME if same else Said.OTHER
