"""The options and arguments that several commands share."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast, get_origin, get_type_hints

import typer

from cleanlist_async.cli.terminal.wording import as_typed, typed
from cleanlist_async.facts import ENRICHMENT_TYPES, PERSON_TYPES

if TYPE_CHECKING:
    from cleanlist_async.results import ResultStatus
    from cleanlist_async.tables import OutputChoice

_TYPES: Final = ", ".join(ENRICHMENT_TYPES)
_PERSON_TYPES: Final = ", ".join(PERSON_TYPES)

Source = Annotated[
    str,
    typer.Argument(
        metavar="IN",
        help="CSV, JSON, Excel or Parquet file; - reads CSV from standard input.",
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=HEADER",
        help="Column of a field, such as key=id, if the guess is wrong. Repeatable.",
    ),
]


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How to read a file of contacts, where that cannot be detected from the file itself."""

    table_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            # Spelled out: importing the formats would take longer than the help.
            help="Format of the file, if its name does not say: csv, tsv, jsonl, json, xlsx, parquet or"
            " arrow.",
        ),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Encoding of the file, if it is not UTF-8; of a CSV output, if the file is no text."
        ),
    ] = None
    delimiter: Annotated[
        str | None,
        typer.Option(
            help="Delimiter of the file: one character, or tab; of a CSV output, if the file has none."
        ),
    ] = None
    # Never guessed: data taken for a header would silently drop the first contact.
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The file has no header row; --map takes column numbers.")
    ] = False
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook: its name or number.")] = None


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Which rows to enrich. The others stay in the output, without a result."""

    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Enrich only the first so many.")] = None
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Enrich only so many, drawn at random.")
    ] = None
    only_missing: Annotated[
        list[str] | None,
        typer.Option(
            "--only-missing",
            metavar="COLUMN",
            help="Skip rows that have this; an added column: ask again for those without. Repeatable.",
        ),
    ] = None

    def as_typed(self) -> str:
        """Return the options as they would be typed again, with a blank before each word."""
        return as_typed({"--limit": self.limit, "--sample": self.sample, "--only-missing": self.only_missing})


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What of the results is written."""

    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B,...", help="Add only these columns, such as email,status."),
    ] = None
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--rename", metavar="OLD=NEW", help="Name of an added column in the output. Repeatable."
        ),
    ] = None
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="STATUS", help="Write only rows with this outcome. Repeatable."),
    ] = None
    input_columns: Annotated[
        str | None,
        typer.Option(
            "--input-columns", metavar="A,B,...", help="Keep only these columns of the input, in this order."
        ),
    ] = None

    def choice(self) -> OutputChoice:
        """Return what is written. Raises ConfigurationError for an unknown column or outcome."""
        from cleanlist_async.tables.output_choice import WHOLE, OutputChoice

        if self == OutputOptions():
            return WHOLE
        pairs = [text.partition("=")[::2] for text in self.rename or ()]
        return OutputChoice.of(
            None if self.columns is None else [name.strip() for name in self.columns.split(",")],
            {old.strip(): new.strip() for old, new in pairs},
            cast("list[ResultStatus] | None", self.only),
            # As a row of CSV, since a header may hold a comma.
            input_columns=None if self.input_columns is None else _cells(self.input_columns),
        )

    def as_typed(self) -> str:
        """Return the options as they would be typed again, with a blank before each word."""
        return as_typed(
            {
                "--columns": self.columns,
                "--rename": self.rename,
                "--only": self.only,
                "--input-columns": self.input_columns,
            }
        )


def _cells(text: str) -> list[str]:
    return [cell.strip() for row in csv.reader([text], skipinitialspace=True) for cell in row]


Suppressed = Annotated[
    Path | None,
    typer.Option(
        "--suppress",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="E-mail addresses, domains and LinkedIn profiles that are never sent.",
    ),
]
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
        callback=typed.note_store,
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
FirstName = Annotated[str | None, typer.Option(help="Needs --last-name and a company.")]
LastName = Annotated[str | None, typer.Option(help="Needs --first-name and a company.")]
CompanyName = Annotated[str | None, typer.Option(help="Or pass --domain.")]
Domain = Annotated[str | None, typer.Option(help="Or pass --company-name.")]
ListId = Annotated[str, typer.Argument(metavar="ID", help="Id of a list, as shown by lists.")]
# A list may have a hundred thousand leads, and each page of them is a request.
Limit = Annotated[int, typer.Option(min=0, help="Show at most this many; 0 for all.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for the result.")]
TimeoutS = Annotated[float, typer.Option("--timeout-s", help="Wait at most this many seconds.")]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return *command* with the options of each dataclass among its parameters in place of that parameter.

    A field without an `Annotated` type is no option, and keeps its default.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    options: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        own = [parameter.replace(annotation=hints[name])]
        options += _options_of(groups[name]) if name in groups else own

    @wraps(command)
    def run(**values: object) -> None:
        # First: what this leaves in *values* belongs to the command itself.
        built = {name: _taken(group, values) for name, group in groups.items()}
        command(**values, **built)

    # Typer reads both, and knows no groups itself.
    run.__signature__ = Signature(options)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in options}
    return run


def _options_of(group: Any) -> Iterator[Parameter]:
    defaults = signature(group).parameters
    for name, hint in get_type_hints(group, include_extras=True).items():
        if is_dataclass(hint):
            yield from _options_of(hint)
        elif get_origin(hint) is Annotated:
            yield Parameter(name, Parameter.KEYWORD_ONLY, default=defaults[name].default, annotation=hint)


def _taken(group: Any, values: dict[str, object]) -> object:
    """Move the values of a group's options out of *values* and into the group."""
    hints = get_type_hints(group, include_extras=True)
    inner = {name: _taken(hint, values) for name, hint in hints.items() if is_dataclass(hint)}
    own = {name: values.pop(name) for name, hint in hints.items() if get_origin(hint) is Annotated}
    return group(**inner, **own)
