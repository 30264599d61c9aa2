"""Titles and degrees around a person's name, in the usual languages. Pure.

They are no part of the name in a profile: "Dr. Anna Müller" would be looked for as first name "Dr.".
"""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 200
"""Characters of a name. What is longer is none, and would be slow to search."""


def _any_of(words: str) -> str:
    # The longest first: "Sig.ra" is not "Sig." with a name behind it.
    return "|".join(sorted(words.split(), key=len, reverse=True))


_TITLES: Final = _any_of(r"""
    mr mrs (?-i:[Mm]s) mx miss mister sir madam dr prof doctor doktor professor rev reverend
    herrn? frau fräulein frl dr\.?-\s?ing mevr mevrouw mw dhr meneer fru fröken frøken
    mme mlle madame mademoiselle monsieur maître docteur professeur
    sig\.?ra sig\.?na signora? signorina dott dott\.?ssa dottore dottoressa dr\.?ssa prof\.?ssa avv professore
    sr sra srta señora? señorita senhora? dra profa doutora? doctora dña doña profesora?
    mgr judr mudr mvdr phdr rndr thdr paeddr pharmdr sayın doç
    г-н г-жа господин госпожа д-р проф пан[іi] δρ m\.sc b\.sc ph\.d
""")
# Without "Don", "Pan" and "Lady", which are first names too, and "M.", which is an initial.
_TITLES_WITH_A_DOT: Final = _any_of("""
    hr fr sig sn ing ir mag dipl bc doc inż lek op av arch rag geom eng hon capt col lt sgt maj gen
    univ kfm akad priv doz κ κα
""")
"""Words that are titles only with a dot: without it they are names or initials."""
# Case counts here: "Dr. Phil Collins" has a first name.
_FACULTIES: Final = r"(?:med|rer|nat|phil|jur|iur|dent|vet|oec|pol|techn|theol|h\.\s?c|mult|habil)\.|hab\.?"
_DIPLOMA: Final = r"dipl(?:om)?\.?-\s?[^\W\d_]+\b\.?(?:\s?\((?:fh|ba|tu|dh)\))?"
_DEGREES: Final = _any_of(r"""
    ph\.?d d\.?phil mba emba ll\.?m ll\.?b m\.?sc b\.?sc m\.?eng b\.?eng m\.a m\.d b\.a m\.?p\.?h
    d\.?d\.?s ed\.?d j\.d csc drsc pmp cpa cfa cissp esq jr sr (?-i:II|III|IV)
""")

_BEFORE: Final = re.compile(
    rf"\s*(?:(?:{_DIPLOMA}|(?:{_TITLES})(?![\w'’-])\.?|(?:{_TITLES_WITH_A_DOT})\.)"
    rf"(?:[\s,/&+-]*(?-i:{_FACULTIES}))*[\s,/&+-]*)+",
    re.IGNORECASE,
)
_DEGREE: Final = re.compile(rf"(?:{_DEGREES})\.?|dr\.|\((?:fh|mba|phd)\)", re.IGNORECASE)
_BETWEEN: Final = " ,\t"


def without_titles(name: str) -> str:
    """Return a name less the titles before and the degrees after it; blank where there is nothing else."""
    if len(name) > _LONGEST:
        return name
    if found := _BEFORE.match(name):
        name = name[found.end() :]
    return _without_degrees(name)


def _without_degrees(name: str) -> str:
    rest = name.rstrip(_BETWEEN)
    while (cut := max(rest.rfind(" "), rest.rfind(","))) > 0 and _DEGREE.fullmatch(rest[cut + 1 :]):
        name = rest = rest[:cut].rstrip(_BETWEEN)
    return name
