"""Runs what a page of the documentation shows, and compares what it prints with what the page says.

- A ``python`` block is run, in the namespace of its page, and may await. With a ``title`` it is saved.
- A ``text`` block after it is what it prints. ``...`` stands for anything.
- A ``console`` block holds commands, after ``$``, each with what it prints.
- ``<!-- run`` begins a block that readers do not see, up to ``-->``.
- Any other titled block is saved, and ``json``, ``toml`` and ``yaml`` must be that.
"""

from __future__ import annotations

import ast
import asyncio
import io
import json
import re
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)?(?P<options>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$"
    r"|^<!-- run\n(?P<hidden>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A block of a page: where it begins, its language, and its text."""

    line: int
    language: str
    title: str | None
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a *page*, from the top."""
    content = page.read_text("utf-8")
    for found in BLOCK.finditer(content):
        line = content.count("\n", 0, found.start()) + 1
        if found["hidden"] is not None:
            yield Block(line, "python", None, found["hidden"])
            continue
        indent, title = len(found["indent"]), TITLE.search(found["options"])
        text = "".join(
            row[indent:] if row.strip() else row for row in found["text"].splitlines(keepends=True)
        )
        yield Block(line, found["language"] or "", title and title[1], text)


def examples(docstring: str) -> Iterator[str]:
    """Yield the code of a *docstring*: its indented blocks after ``::`` that are Python."""
    for found in re.finditer(r"^( *)::\n\n((?:\1 {4,}[^\n]*\n|\n)+)", docstring + "\n", re.MULTILINE):
        text = textwrap.dedent(found[2])
        with suppress(SyntaxError):
            compile(text, "docstring", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            yield text


@dataclass
class Reader:
    """Does what a page says, in a *folder*, with the variables *environment*."""

    page: Path
    folder: Path
    environment: dict[str, str]
    namespace: dict[str, object] = field(default_factory=lambda: {"__name__": "__page__"})
    printed: str | None = None

    def read(self) -> None:
        """Run every block. Raises AssertionError where the page is wrong."""
        with asyncio.Runner() as runner:
            for block in blocks(self.page):
                try:
                    self.do(block, runner)
                except BaseException as error:
                    error.add_note(f"{self.page}:{block.line}")
                    raise

    def do(self, block: Block, runner: asyncio.Runner) -> None:
        printed, self.printed = self.printed, None
        if block.title:
            (self.folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / block.title).write_text(block.text)
        elif block.language == "python":
            self.printed = self._run(block, runner)
        elif block.language == "console":
            self._type(block.text)
        elif block.language == "text" and printed is not None:
            compare(printed, block.text)
        check_syntax(block)

    def _run(self, block: Block, runner: asyncio.Runner) -> str:
        source = "\n" * block.line + block.text
        code = compile(source, str(self.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        with redirect_stdout(io.StringIO()) as out:
            coroutine = eval(code, self.namespace)
            if coroutine is not None:
                runner.run(coroutine)
        return out.getvalue()

    def _type(self, text: str) -> None:
        for command, expected in re.findall(
            r"^\$ ((?:[^\n]*\\\n)*[^\n]*)\n((?:(?!\$ )[^\n]*\n)*)", text, re.MULTILINE
        ):
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=100,
            )
            if expected.strip():
                compare(done.stdout.decode(), expected)
            else:
                assert done.returncode == 0, done.stdout.decode()


def compare(printed: str, expected: str) -> None:
    """Raise AssertionError unless *printed* is what is *expected*, where ``...`` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in tidy(expected).split("..."))
    assert re.fullmatch(pattern, tidy(printed), re.DOTALL), f"printed:\n{printed}\nexpected:\n{expected}"


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def check_syntax(block: Block) -> None:
    """Raise unless a block is written in the language that it names."""
    if block.language == "json":
        json.loads(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "yaml":
        list(yaml.safe_load_all(block.text))
    elif block.language == "python" and block.title:
        compile(block.text, block.title, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
