"""What type checkers say of a user's program, with the package installed as a user has it."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.public_surface import STABLE
from tests.support.source_tree import PACKAGE

CONSUMER = Path(__file__).with_name("consumer.py")
PROGRAM = Path(__file__).with_name("program.py")
"""Fits the client into a system; unlike the consumer, it is run too."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter whose site-packages hold a copy of the package, and the packages of this one."""
    home = tmp_path_factory.mktemp("consumer")
    venv.create(home, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages")
    shutil.copytree(PACKAGE, site / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (site / "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return home / "bin" / "python"


@pytest.fixture(params=[CONSUMER, PROGRAM], ids=lambda path: path.stem)
def program(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return Path(shutil.copy(request.param, tmp_path))


def check(*command: str | Path, within: Path) -> tuple[int, str]:
    done = subprocess.run([*command], cwd=within, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_both_import_stable_names_only_and_all_of_them() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (CONSUMER, PROGRAM)]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {node.module for node in nodes if (node.module or "").startswith(PACKAGE.name)} == {*STABLE}


@pytest.mark.slow
def test_mypy_strict_finds_nothing_wrong(python: Path, program: Path) -> None:
    options = ("--strict", "--config-file=", f"--python-executable={python}")
    code, said = check(sys.executable, "-m", "mypy", *options, program, within=program.parent)
    assert code == 0, said


@pytest.mark.slow
def test_pyright_strict_finds_nothing_wrong(python: Path, program: Path) -> None:
    config = program.with_name("pyrightconfig.json")
    config.write_text(json.dumps({"typeCheckingMode": "strict", "include": [program.name]}), encoding="utf-8")
    code, said = check(
        sys.executable, "-m", "pyright", "--pythonpath", python, "-p", config, within=program.parent
    )
    assert code == 0, said


@pytest.mark.slow
def test_a_misspelt_name_is_an_error_in_the_consumer(python: Path, program: Path) -> None:
    program.write_text("from cleanlist_async.types import Leed\n", encoding="utf-8")
    options = ("--strict", "--config-file=", f"--python-executable={python}")
    code, said = check(sys.executable, "-m", "mypy", *options, program, within=program.parent)
    assert code == 1 and "has no attribute" in said, said


@pytest.mark.slow
def test_the_program_does_what_it_says(python: Path, tmp_path: Path) -> None:
    code, said = check(python, PROGRAM, within=tmp_path)
    assert (code, said.splitlines()[0]) == (0, "done")  # and a warning: the 429 that it asked for


def test_the_program_takes_no_short_cut() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    assert 200 <= text.count("\n") <= 260
    assert not {"cast", "Any", "type: ignore", "pyright:"} & {
        *text.replace("(", " ").replace(",", " ").split()
    }
