"""Paid requests and answers that prove nothing: how often one is sent, and what is said of the money."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import cycle
from random import Random

from tests.scorecard.figure import Figure
from tests.support.paid_doors import WITHOUT_A_KEY, Seen, knock_on_all
from tests.support.refusals import Said, answers, is_refusal

_SAMPLE = 700
_SAMPLE_OF_429S = 10
"""Each is waited out."""
_SLOW_DOORS = ("enrich", "stream", "enrich_one", "job", "person", "company")
_EACH_SLOW_DOOR = 25


def figures(*, long: bool) -> Iterator[Figure]:
    """Play combinations of status, code, flag and envelope to every paid call that carries no key."""
    seen = asyncio.run(_seen(_cases(long=long)))
    unclear = [one for one in seen if not is_refusal(one.said)]
    refused = [one for one in seen if is_refusal(one.said)]
    again = sum(one.sent > 1 for one in unclear)
    yield Figure("paid submits sent again after an unclear answer", again, 0, of=len(unclear))
    claims = sum("no" in one.billed for one in unclear)
    yield Figure('results that claim billed="no" after an unclear answer', claims, 0, of=len(unclear))
    doubts = sum("unknown" in one.billed for one in refused)
    yield Figure("refusals that are not told from an unclear answer", doubts, 0, of=len(refused))


def _cases(*, long: bool) -> list[tuple[Said, str]]:
    rng = Random(20_261_129)
    every = [said for said in answers() if not _is_left_out(said)]
    limited = [said for said in every if said.status == 429]
    others = [said for said in every if said.status != 429]
    if not long:
        limited, others = rng.sample(limited, _SAMPLE_OF_429S), rng.sample(others, _SAMPLE)
    doors = cycle(WITHOUT_A_KEY) if long else cycle(("submit_bulk",))
    cases = list(zip(limited + others, doors, strict=False))
    if not long:
        cases += [(rng.choice(others), door) for door in _SLOW_DOORS for _ in range(_EACH_SLOW_DOOR)]
    return cases


def _is_left_out(said: Said) -> bool:
    """A job holds it: its quote may have been used by an attempt of an earlier process."""
    return said.code == "quote_already_redeemed"


async def _seen(cases: list[tuple[Said, str]]) -> list[Seen]:
    return [one async for one in knock_on_all(cases)]
