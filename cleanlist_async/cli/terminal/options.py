"""The options and arguments that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from cleanlist_async.facts import ENRICHMENT_TYPES, PERSON_TYPES

_TYPES: Final = ", ".join(ENRICHMENT_TYPES)
_PERSON_TYPES: Final = ", ".join(PERSON_TYPES)

Source = Annotated[
    str, typer.Argument(metavar="IN", help="CSV, TSV or JSON Lines file; - reads CSV from standard input.")
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="FIELD=HEADER", help="Column of a field, if the guess is wrong. Repeatable."
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", help="Format of the file: csv, tsv or jsonl, if its name does not say."),
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of the file, if it is not UTF-8.")]
Delimiter = Annotated[str | None, typer.Option(help="Delimiter of the file: one character, or tab.")]
# Never guessed: data taken for a header would silently drop the first contact.
NoHeader = Annotated[
    bool, typer.Option("--no-header", help="The file has no header row; --map takes column numbers.")
]


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How to read a file of contacts, where that cannot be detected from the file itself."""

    table_format: Format = None
    encoding: Encoding = None
    delimiter: Delimiter = None
    no_header: NoHeader = False


Kind = Annotated[str, typer.Option("--type", metavar="TYPE", help=f"Enrichment type: {_TYPES}.")]
BaseURL = Annotated[str | None, typer.Option(help="Base URL of the API, such as a sandbox's.")]
Proxy = Annotated[
    str | None, typer.Option(metavar="URL", help="Proxy to use. The default is that of HTTPS_PROXY.")
]
CaBundle = Annotated[
    str | None,
    typer.Option(
        metavar="PATH", help="Certificates to trust, as a PEM file. The default is that of SSL_CERT_FILE."
    ),
]
# Hidden: the API has one window, and only a sandbox may have another.
WindowS = Annotated[float | None, typer.Option(hidden=True, help="Seconds of the rate limit's window.")]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PATH|URL",
        help="Store of what was bought. The default is $CLEANLIST_STORE, else one of your own.",
    ),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
Output = Annotated[str, typer.Option("-o", "--output", metavar="OUT", help="File to write.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask before spending.")]
NoConfirmation = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
MaxCredits = Annotated[float | None, typer.Option(min=0, help="Never spend more credits than this.")]
PersonKind = Annotated[
    str, typer.Option("--type", metavar="TYPE", help=f"What to look for: {_PERSON_TYPES}.")
]
ListId = Annotated[str, typer.Argument(metavar="ID", help="Id of a list, as shown by lists.")]
# A list may have a hundred thousand leads, and each page of them is a request.
Limit = Annotated[int, typer.Option(min=0, help="Show at most this many; 0 for all.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the result.")]
TimeoutS = Annotated[float, typer.Option("--timeout-s", help="Wait at most this many seconds.")]
