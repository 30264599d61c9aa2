import pytest

from tests.cli.command_line import CommandLine
from tests.cli.conftest import serve  # noqa: F401 - a fixture
from tests.live.__main__ import main


@pytest.fixture
def cli(tmp_path):
    command_line = CommandLine(tmp_path, "tests.live", main)
    yield command_line
    command_line.end()
