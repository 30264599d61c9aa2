import pytest

from tests.cli.command_line import KEY, CommandLine


@pytest.fixture(autouse=True)
def no_key_on_the_disk(cli):
    yield
    for path in cli.folder.iterdir():
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path.name


@pytest.fixture
def look(cli):
    """Run a command of jobs without a key, which those that only look or decide do not need."""
    keyless = CommandLine(cli.folder)
    return lambda *args: keyless("job", *args)
