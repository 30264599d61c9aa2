"""What MkDocs adds: a page for each error code, the help of each command, copies of other pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs.generated import CODES, commands, error_page, slug  # noqa: E402  # found there

COPIED = {
    "benchmarks.md": "benchmarks/results/README.md",
    "lateness.md": "benchmarks/results/lateness.md",
    "changelog.md": "CHANGELOG.md",
}
PICTURES = "benchmarks/results"
COMMANDS = "<!-- commands -->"


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and pictures that lie elsewhere or are made of the code."""
    for page, source in COPIED.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    for picture in sorted((ROOT / PICTURES).glob("*.svg")):
        files.append(File.generated(config, picture.name, abs_src_path=str(picture)))
    for code in CODES:
        page = File.generated(config, f"errors/{slug(code)}.md", content=error_page(code))
        page.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the help of the commands in its place, and link each error code to its page."""
    if page.file.src_uri == "errors/index.md":
        for code in CODES:
            markdown = markdown.replace(f"\n| `{code}` |", f"\n| [`{code}`]({slug(code)}.md) |")
    return markdown.replace(COMMANDS, commands()) if COMMANDS in markdown else markdown


def on_page_content(html: str, **_: Any) -> str:
    """Show the roles of docstrings, such as ``:class:``, as plain code."""
    return re.sub(r":(?:attr|class|data|func|meth|mod):(?=<code>)", "", html)
