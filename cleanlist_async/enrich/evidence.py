"""The rule of evidence: what the two sides say of a person, and what that proves of a row. Pure.

A contact and a row are compared in four things. Each is `SAME`, `OTHER`, or `OPEN`: a side is silent, or the
two cannot be compared ("Bob Lee" and "Robert Q. Lee", or a name in another script).

=======  ========  =====  ==========  ==================================================================
input    profile   name   employer    whose row is it?
=======  ========  =====  ==========  ==================================================================
same     any       any    any         CERTAIN: this contact's
any      same      any    any         CERTAIN: this contact's
not s.   not s.    other  any         NONE: not this contact's
other    not s.    open   any         NONE: it says that it was made for another contact
open     open      same   same, open  NAMED: by elimination; in a part of a workflow, in its place
other    not s.    same   same, open  DISPUTED: by elimination in a whole workflow, or in a proven order
open     other     same   same, open  DISPUTED
not s.   not s.    same   other       PLACED: only in a proven order, since people change employers
open     not s.    open   any         PLACED
=======  ========  =====  ==========  ==================================================================

("not s." is other or open.)

input
    The contact that the row repeats as the one it was made for, letter by letter. Written in another way it
    is the same where all contacts are known and only one of them can be meant; else open.
profile
    The LinkedIn address, of whose parts an id (``ACoAA...``) is compared letter by letter. Two that differ
    may be of one person: a profile gets renamed, and has an id beside its name. But name and employer do not
    outweigh a difference, since a large company has namesakes.
name, employer
    A name is the same word for word; an employer by domain, else by name.

by elimination
    All contacts of the workflow are known, and nobody else who lacks a row has the name in any of its forms
    (`normalize.name_key`), or has it with a word more or less ("Ana Lee" and "Ana Maria Lee") and no row with
    their own, or is known by profile alone. Or somebody is, but each contact has a row and each row a name:
    then the contact's own is among them. Of namesakes at several employers, each must have a row that names
    its own, since one of them may have moved to the other's employer.
in its place
    The row's id is the contact's if ids follow the order, and no other row in sight has the name. Used where
    other contacts are not known. So a contact keeps such an id only if no other that lacks a row may have its
    name, and no row contradicts the order: see `matching.Match.trusted_ids`.
in a proven order
    There are as many ids as contacts, no row contradicts their order, and either the rows of all others are
    in their places, or of so many that luck would have it less than once in a million times. In the second
    case no e-mail address among the rows that are left may spell the name of another contact that is left,
    or have its employer's domain instead of the own; and of namesakes that are left no row is given, unless
    theirs are all alike.

What remains, since the API documents neither that ids follow the order of contacts nor what a row carries:

- A few ids are exchanged among themselves, all other rows are in their places, and the rows of those few
  name nobody, nor do their addresses. The same answer comes, letter by letter, where ids follow the order,
  so no rule can tell the two apart. One such row alone leaves no doubt.
- A workflow that nobody waits for to its end is collected later, contact by contact. An id that is not the
  contact's own leads to the row of a namesake at the same employer who is known by profile alone, the row
  shows no profile, and the contact's own row is missing.
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
    """Return what agreement in input (*given*), profile, name and employer proves: the table above."""
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
    if same is None:
        return Said.OPEN
    return Said.SAME if same else Said.OTHER
