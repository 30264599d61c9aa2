"""The fixtures of the package, in the tests of somebody who has installed it."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


ASYNCIO_AUTO = "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.parametrize("runner", ["anyio", "pytest_asyncio"])
def test_the_fixtures_work_as_soon_as_the_package_is_installed(tmp_path, runner):
    if find_spec(runner) is None:
        pytest.skip(f"{runner} is not installed")
    tests = Path(__file__).with_name("tests_of_a_user.py").read_text()
    options = "[pytest]\nfilterwarnings = error\naddopts = --strict-markers"
    if runner == "anyio":
        options += " -p no:asyncio\n"
    else:
        tests, options = tests.replace("@pytest.mark.anyio\n", ""), f"{options}\n{ASYNCIO_AUTO}"
    (tmp_path / "test_mine.py").write_text(tests)
    (tmp_path / "pytest.ini").write_text(options)
    declare_entry_points(tmp_path / "site" / "installed-1.dist-info")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "10 passed" in done.stdout, done.stdout + done.stderr


def declare_entry_points(folder: Path) -> None:
    """Declare those of pyproject.toml as an installation does; the one that runs this test may be older."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [f"{name} = {module}" for name, module in project["entry-points"]["pytest11"].items()]
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))
