"""Every command that a page names in its sentences exists, with the options that it is named with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer

from cleanlist_async.cli.app import app
from tests.docs.page import BLOCK
from tests.support.cases import each_case

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
TREE = typer.main.get_command(app)
ANY = {"-h", "--help"}


def named(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command: one that begins with the program, or with a command and a word."""
    sentences = BLOCK.sub("", page.read_text("utf-8"))
    for span in re.findall(r"`([^`]+)`", sentences):
        words = span.split()
        if words[:1] == ["cleanlist-async"]:
            yield words[1:]
        elif len(words) > 1 and words[0] in TREE.commands:
            yield words


def fault_of(words: list[str]) -> str | None:
    """What of a command does not exist."""
    command, rest = TREE, iter(words)
    for word in rest:
        if word in {"...", "<", ">", "|"}:
            return None
        if word.startswith("-") and word != "-":
            options = {name: option for option in command.params for name in option.opts}
            if word not in options and word not in ANY:
                return word
            if word in options and not options[word].is_flag:
                next(rest, None)
        elif hasattr(command, "commands"):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return None


def test_every_command_that_a_page_names_exists():
    found = [(page, words) for page in PAGES for words in named(page)]
    assert len(found) > 60
    faults = [
        f"{page.relative_to(ROOT)}: {' '.join(words)}" for page, words in found if fault_of(words) is not None
    ]
    assert faults == []


@each_case(
    ("command", "fault"),
    [
        ("store budget", "budget"),
        ("budget show --store x", None),
        ("enrich IN -o OUT --colums email", "--colums"),
        ("job run NAME IN --max-credits 5 --yes", None),
        ("--limits redis://... job run ...", None),
        ("collect - < enriched.csv", None),
        ("nothing", "nothing"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command, fault):
    assert fault_of(command.split()) == fault
