"""Real workers with one store: no contact is bought twice when they die, or when callers come back."""

import asyncio

import pytest

from tests.batcher.store_workers import callers_who_come_back, crowd, killed_worker, short_grace

pytestmark = [pytest.mark.slow, pytest.mark.sockets]


@pytest.mark.parametrize("scene", [killed_worker, callers_who_come_back, short_grace, crowd])
def test_no_contact_is_bought_twice_nor_lost(scene, tmp_path):
    ends = asyncio.run(scene(tmp_path))
    assert (ends.twice, ends.lost) == (0, 0)
    assert ends.unknown < ends.callers / 4  # of those whose submit was on its way when a worker was killed
