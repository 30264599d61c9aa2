"""Records what commands look like in a terminal, as the SVG files in `docs/assets`.

    python docs/recordings.py            # all of them
    python docs/recordings.py --columns 120 --into /tmp

Each command runs in a terminal of its own, against a sandbox; the last screen is drawn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
from fcntl import ioctl
from itertools import groupby
from pathlib import Path
from termios import TIOCSWINSZ

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from cleanlist_async.sandbox import Sandbox

ASSETS = Path(__file__).parent / "assets"
CONTACTS = """\
First Name,Last Name,Company,Website,Owner
Ada,Lovelace,Analytical Engines,analytical.example,Tom
Grace,Hopper,Navy Yard,,Tom
Alan,Turing,,bletchley.example,Sue
Katherine,Johnson,,,Sue
Ada,Lovelace,Analytical Engines,analytical.example,Sue
"""
RECORDINGS = {
    "demo": "cleanlist-async demo --contacts 2000 --overwrite",
    "enrich": "cleanlist-async enrich contacts.csv -o enriched.csv --yes",
}
LINES = 60
COLOURS = {"brown": "yellow", "default": None}


def last_screen(command: str, folder: Path, environment: dict[str, str], columns: int) -> pyte.Screen:
    """Run a *command* in a terminal of so many *columns*, and return its last screen."""
    screen = pyte.Screen(columns, LINES)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    variables = environment | {"COLUMNS": str(columns)}
    with subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env=variables,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        while process.poll() is None or select.select([ours], [], [], 0)[0]:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    stream.feed(os.read(ours, 65_536))
                except OSError:  # the terminal is closed
                    break
    os.close(ours)
    return screen


def drawn(command: str, screen: pyte.Screen, columns: int, home: str) -> str:
    """Return the *screen* as SVG, below the *command* as it was typed, with *home* as ``~``."""
    console = Console(record=True, width=columns, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
    console.print(Text(f"$ {command}", Style(bold=True)), soft_wrap=True)
    rows = [screen.buffer[y] for y in range(LINES)]
    while rows and not any(cell.data.strip() for cell in rows[-1].values()):
        rows.pop()
    for row in rows:
        text = Text()
        for style, cells in groupby((row[x] for x in range(columns)), _style):
            text.append("".join(cell.data for cell in cells).replace(home, "~"), style)
        text.rstrip()
        console.print(text, soft_wrap=True)
    console.print()  # the letters that go below the line are cut off in the last one
    svg = console.export_svg(title="cleanlist-async", unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # no network is asked


def _style(cell: pyte.screens.Char) -> Style:
    colour = COLOURS.get(cell.fg, cell.fg)
    return Style(
        color=f"#{colour}" if colour and re.fullmatch("[0-9a-f]{6}", colour) else colour, bold=cell.bold
    )


async def main() -> None:
    """Record what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(RECORDINGS))
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--into", type=Path, default=ASSETS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "contacts.csv").write_text(CONTACTS)
        async with Sandbox(workflow_s=1.0) as sandbox:
            environment = {
                "CLEANLIST_API_KEY": sandbox.api_key,
                "CLEANLIST_BASE_URL": sandbox.base_url,
                "HOME": str(folder),
                "LANG": "C.UTF-8",
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(Path(__file__).parents[1]),
                "TERM": "xterm-256color",
            }
            for name in options.names:
                command = RECORDINGS[name]
                screen = await asyncio.to_thread(last_screen, command, folder, environment, options.columns)
                svg = drawn(command, screen, options.columns, made)
                (options.into / f"{name}.svg").write_text(svg)


if __name__ == "__main__":
    asyncio.run(main())
