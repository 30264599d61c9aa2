from __future__ import annotations

from contextlib import contextmanager

import pytest

from tests.cli.command_line import HEADERS, CommandLine, running


@pytest.fixture
def cli(tmp_path):
    command_line = CommandLine(tmp_path)
    yield command_line
    command_line.end()


@pytest.fixture
def serve(cli):
    @contextmanager
    def start(**options):
        with running(**options) as sandbox:
            cli.use(sandbox)
            yield sandbox

    return start


def person(number: int, **more: str) -> list[str]:
    row = {
        "First Name": f"Ada{number}",
        "Last Name": "Lovelace",
        "Website": "https://www.engine.example/",
    } | more
    return [row.get(header, "") for header in HEADERS]


@pytest.fixture
def people():
    return lambda count: [person(number) for number in range(count)]
