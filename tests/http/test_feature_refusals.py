"""A feature that a plan lacks, and one that no plan has on this server."""

import pytest

from cleanlist_async import FeatureNotAvailableError, NotEnabledError, PermissionDeniedError
from cleanlist_async.sandbox import Fault
from tests.support.cases import each_case

PLAN = "The plan does not include this"
SERVER = "Repeating the call does not help"


@each_case(
    ("status", "code", "kind", "fix"),
    [
        (403, "feature_not_available", PermissionDeniedError, PLAN),
        (403, "not_enabled", PermissionDeniedError, PLAN),
        (501, "feature_not_available", FeatureNotAvailableError, SERVER),
        (503, "not_enabled", NotEnabledError, "repeating it does not help"),
    ],
)
async def test_its_fix_fits_the_status(world, status, code, kind, fix):
    body = {"error": {"code": code, "problem": "Your plan does not include search."}}
    world.sandbox.clear_faults()
    world.sandbox.add_fault(Fault("*/search/people", status=status, body=body))
    with pytest.raises(kind) as raised:
        await world.client.search.people(titles=["CTO"])
    assert type(raised.value) is kind
    assert fix in raised.value.fix
    assert not raised.value.retryable
