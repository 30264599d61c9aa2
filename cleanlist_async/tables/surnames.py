"""Surnames of several words, known by a particle in front: ``van der Berg``, ``de la Cruz``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import Final

_PARTICLES: Final = """
    van vander vanden von vom zu zum zur und am auf der den dem ter ten te 't op het in
    de du des d' la le les l' del della delle dello dei degli di da dal dalla dalle das do dos los las lo li
    af av al el bin bint ibn ben abu bar mac mc o ó ní nic ua uí st st. saint san santa santo são
"""
_FIRST_NAMES_TOO: Final = "al ben abu bar mac in am o della und zu do"
"""Particles that with a capital letter are first names, or no particles."""
_KNOWN: Final = frozenset(_PARTICLES.split())
_DOUBTFUL: Final = frozenset(_FIRST_NAMES_TOO.split())
_BETWEEN_SURNAMES: Final = frozenset({"y", "i"})


def surname_words(words: Sequence[str]) -> int:
    """Return how many words at the beginning of a name, its surname first, are the surname."""
    if words[1:2] and words[1] in _BETWEEN_SURNAMES:  # Ortega y Gasset
        return min(3, len(words))
    pairs = takewhile(lambda pair: _is_particle(pair[0]), pairwise(words))
    # Capitals alone say too little here: Le Van Anh is of the family Le.
    return 1 + sum(1 for _ in takewhile(lambda pair: pair[0].islower() or pair[1].islower(), pairs))


def first_names(words: Sequence[str]) -> int:
    """Return how many words at the beginning of a name, its surname last, are first names.

    One, unless a particle follows two or more. Only one in small letters: Nguyen Thi Van Anh has none.
    """
    if words[1:2] and _is_particle(words[1]):  # Maria de la Cruz
        return 1
    # Without the last word: a surname has one behind its particle.
    places = range(2, len(words) - 1)
    return next((place for place in places if words[place].islower() and _is_particle(words[place])), 1)


def is_surname(text: str) -> bool:
    """Whether what stands before a comma is a surname, and no whole name with something behind it."""
    words = text.split()
    # Of two surnames behind a particle, the second has none: de la Cruz Pérez.
    return surname_words(words) >= len(words) or _is_particle(words[0])


def _is_particle(word: str) -> bool:
    known = word.casefold().replace("\u2019", "'")
    return known in _KNOWN and (word.islower() or known not in _DOUBTFUL)
