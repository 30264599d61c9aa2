"""What is installed: the wheel and the sdist, their contents and metadata, and the command from the wheel."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MOST_BYTES = 1_000_000


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(folder), ".")
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def test_the_metadata_is_what_an_index_accepts(built):
    assert (
        run(sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())).count("PASSED")
        == 2
    )


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"cleanlist_async"}
    assert "cleanlist_async/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_the_wheel_stays_small(wheel):
    assert wheel.stat().st_size < MOST_BYTES


def test_the_wheel_needs_four_packages_without_an_extra(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split(">")[0].split("<")[0] for line in required) == [
        "aiolimiter",
        "anyio",
        "httpx",
        "pydantic",
    ]


def test_the_sdist_holds_what_is_needed_to_test_it(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if name.count("/") >= 1}
    expected = {"cleanlist_async", "tests", "benchmarks", "docs", "examples"}
    assert expected | {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "mkdocs.yml"} <= tops


def test_the_command_runs_from_the_wheel(wheel):
    said = run(
        sys.executable,
        "-m",
        "uv",
        "tool",
        "run",
        "--isolated",
        "--from",
        f"{wheel}[cli]",
        "cleanlist-async",
        "--version",
    )
    assert wheel.name.split("-")[1] in said
