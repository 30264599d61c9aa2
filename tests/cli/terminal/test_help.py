import re

import pytest
import typer

from cleanlist_async.cli.app import app

pytestmark = pytest.mark.sockets


def groups_and_commands():
    """Every group and every command, as it is typed."""
    found, root = {"groups": [()], "commands": []}, typer.main.get_command(app)
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        found["commands" if inner is None else "groups"].append((name,))
        found["commands"] += [(name, within) for within in inner or ()]
    return found


def command_at(path):
    command = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    return command


GROUPS, COMMANDS = groups_and_commands().values()


def test_a_group_without_a_command_prints_its_help_and_has_no_fault(cli):
    assert len(GROUPS) == 7
    for group in GROUPS:
        done = cli(*group)
        assert (done.code, done.err) == (0, "")
        assert done.out == cli(*group, "--help").out == cli(*group, "-h").out
        assert " ".join(["Usage: cleanlist-async", *group, "COMMAND [OPTIONS]"]) in done.out


def test_the_help_of_each_says_first_what_it_does_then_how_it_is_typed_and_fits_80_columns(cli):
    cli.env["COLUMNS"] = "80"
    assert len(COMMANDS) > 30
    for command in [*GROUPS, *COMMANDS]:
        done = cli(*command, "-h")
        lines = done.out.splitlines()
        assert (done.code, done.err) == (0, "")
        assert lines[0][0].isupper()
        assert lines[0] != "Usage:"
        usage = next(number for number, line in enumerate(lines) if line.startswith("Usage: "))
        assert usage < lines.index("Options:")
        assert max(map(len, lines)) <= 80
        assert not any(line.endswith("...") for line in lines), "no description is cut"


def test_a_command_is_described_on_one_line_of_its_group(cli):
    cli.env["COLUMNS"] = "80"
    for group in GROUPS:
        lines = cli(*group).out.splitlines()
        names = [line.split()[0] for line in lines if line.startswith("  ") and not line.startswith("   ")]
        for command in COMMANDS:
            if command[:-1] == group:
                assert command[-1] in names


@pytest.mark.slow
def test_every_option_and_argument_says_what_it_is_for():
    silent = [
        (*path, parameter.name)
        for path in COMMANDS
        for parameter in command_at(path).params
        if not (parameter.help or getattr(parameter, "hidden", False))
    ]
    assert silent == []


@pytest.mark.slow
def test_every_option_that_takes_a_value_has_a_word_for_it(cli):
    for path in COMMANDS:
        shown = cli(*path, "-h").out
        for parameter in command_at(path).params:
            is_shown = parameter.param_type_name == "option" and not getattr(parameter, "hidden", False)
            if is_shown and not parameter.is_flag:
                assert re.search(rf"{parameter.opts[-1]} [A-Z]", shown), (*path, parameter.opts)


def test_required_options_are_in_the_usage(cli):
    assert "Usage: cleanlist-async enrich IN -o OUT [OPTIONS]" in cli("enrich", "-h").out
