"""Runs whose workflows are pushed: what they cost in status requests, and that nothing else differs."""

from __future__ import annotations

import math
import random

import pytest

from tests.support.virtual_sandbox import check_against_ledger, check_one_result_each, people
from tests.webhooks.couriers import with_webhooks


@pytest.mark.parametrize("median_s", [5.0, 60.0, 300.0])
def test_ten_thousand_contacts_take_at_most_four_status_requests(median_s):
    async def main(here, receiver, _courier):
        contacts = people(10_000)
        report = await here.client.enrich(contacts)
        assert report.stopped_by is None
        check_one_result_each(report.results, contacts)
        check_against_ledger(here, report.results)
        assert here.submits() == 40
        assert here.client.statistics().rejected_429 == 0
        said = receiver.statistics()
        assert said.received == said.believed == 40
        assert here.status_requests() <= 4

    rng = random.Random(1)
    with_webhooks(main, workflow_s=lambda _: rng.lognormvariate(math.log(median_s), 0.5), credits=1e6)
