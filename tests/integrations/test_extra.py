"""Without its extra an integration says what to install, and nothing else loads FastAPI."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.sockets  # processes
@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [
        ("fastapi", "fastapi", "fastapi"),
        ("opentelemetry", "opentelemetry", "otel"),
        ("prometheus_client", "prometheus", "prometheus"),
        ("dlt", "dlt", "dlt"),
        ("sqlalchemy", "sql", "sql"),
    ],
)
def test_without_the_extra_one_line_says_what_to_install(package: str, module: str, extra: str) -> None:
    done = run(f"import sys; sys.modules[{package!r}] = None; import cleanlist_async.integrations.{module}")
    says = done.stderr.splitlines()[-1]
    assert says.startswith("ModuleNotFoundError: ")
    assert says.endswith(f" one more package: install cleanlist-async with the extra [{extra}].")


def test_the_client_does_not_need_it():
    code = "import cleanlist_async.client, sys; sys.exit('fastapi' in sys.modules)"
    assert run(code).returncode == 0
