"""The marker that ties a test to the operation it calls."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "operation(*names): calls these operations of the modern surface")
