"""A corpus of awkward files: each is read exactly, or refused with the row and column that are wrong."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

URL = "https://linkedin.com/in/jane"
HEADER = ["First Name", "Last Name", "Company", "LinkedIn URL"]
JANE = ("Jane", "Doe", "Acme", URL)
BASIC = [JANE, ("Jörg", "Müller", "Über GmbH", ""), ("", "", "", URL)]


@dataclass(frozen=True)
class Readable:
    name: str
    data: bytes
    rows: list[tuple[str, ...]]
    options: dict[str, object] = field(default_factory=dict)
    numbers: list[int] | None = None
    note: str | None = None
    extension: str = ".csv"


@dataclass(frozen=True)
class Refused:
    name: str
    data: bytes
    says: str
    row: int | None = None
    column: str | None = None
    options: dict[str, object] = field(default_factory=dict)
    extension: str = ".csv"


def text(rows: list[tuple[str, ...]], delimiter: str = ",", end: str = "\r\n", *, quote: bool = False) -> str:
    def cell(value: str) -> str:
        needs = quote or any(sign in value for sign in f'{delimiter}"\r\n')
        return '"' + value.replace('"', '""') + '"' if needs else value

    return "".join(delimiter.join(map(cell, row)) + end for row in [tuple(HEADER), *rows])


def csv_lines(*lines: str, end: str = "\r\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def _layouts() -> list[Readable]:
    cases = []
    for end_name, end in (("crlf", "\r\n"), ("lf", "\n"), ("cr", "\r")):
        for delimiter_name, delimiter in (("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|")):
            for quote in (False, True):
                name = f"{delimiter_name}-{end_name}{'-quoted' if quote else ''}"
                cases.append(Readable(name, text(BASIC, delimiter, end, quote=quote).encode(), BASIC))
    return cases


def _encodings() -> list[Readable]:
    plain = text(BASIC)
    marked = {
        "utf-8": codecs.BOM_UTF8,
        "utf-16-le": codecs.BOM_UTF16_LE,
        "utf-16-be": codecs.BOM_UTF16_BE,
        "utf-32-le": codecs.BOM_UTF32_LE,
        "utf-32-be": codecs.BOM_UTF32_BE,
    }
    cases = [Readable(f"{name}-marked", mark + plain.encode(name), BASIC) for name, mark in marked.items()]
    cases += [
        Readable(f"{name}-told", plain.encode(name), BASIC, {"encoding": name})
        for name in ("utf-8", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "cp850", "mac-roman", "utf-7")
    ]
    cases += [
        Readable(f"{told}-told-and-marked", mark + plain.encode(name), BASIC, {"encoding": told})
        for told, name, mark in (
            ("utf-8", "utf-8", codecs.BOM_UTF8),
            ("utf-8-sig", "utf-8", codecs.BOM_UTF8),
            ("UTF-16", "utf-16-be", codecs.BOM_UTF16_BE),
        )
    ]
    cases.append(Readable("cp1252-found", plain.encode("cp1252"), BASIC, note="Windows-1252"))
    cases.append(Readable("gb18030", plain.encode("gb18030"), BASIC, {"encoding": "gb18030"}))
    return cases


HEAD = ",".join(HEADER)
LONG = "x" * (1 << 20)

_SHAPES = [
    Readable("header-only", csv_lines(HEAD), []),
    Readable("header-only-no-line-end", HEAD.encode(), []),
    Readable("no-last-line-end", csv_lines(HEAD, ",".join(JANE)).removesuffix(b"\r\n"), [JANE]),
    Readable("one-column", csv_lines("Email", "jane@acme.com"), [("jane@acme.com",)]),
    Readable("one-column-blank-cell", csv_lines("Email", '""', "a@b.co"), [("",), ("a@b.co",)]),
    Readable(
        "blank-lines",
        csv_lines(HEAD, "", ",".join(JANE), "", ""),
        [JANE],
        numbers=[3],
        note="3 rows (2, 4, 5) blank",
    ),
    Readable("blank-lines-first", csv_lines("", "", HEAD, ",".join(JANE)), [JANE], numbers=[4]),
    Readable("blank-cells", csv_lines(HEAD, ",,,", ",".join(JANE)), [("", "", "", ""), JANE], numbers=[2, 3]),
    Readable(
        "short-row", csv_lines(HEAD, "Jane,Doe"), [("Jane", "Doe", "", "")], note="1 row (2) with fewer"
    ),
    Readable(
        "long-row",
        csv_lines(HEAD, f"Jane,Doe,Acme,{URL},extra,"),
        [(*JANE, "extra", "")],
        note="1 row (2) with more",
    ),
    Readable(
        "spaces-kept", csv_lines(HEAD, " Jane ,Doe\t,Acme ," + URL), [(" Jane ", "Doe\t", "Acme ", URL)]
    ),
    Readable(
        "break-in-cell",
        csv_lines(HEAD, '"Ja\nne","D\r\noe","A\rcme",' + URL),
        [("Ja\nne", "D\r\noe", "A\rcme", URL)],
    ),
    Readable(
        "number-after-break",
        csv_lines(HEAD, '"Ja\nne",,,', "Jim,,,"),
        [("Ja\nne", "", "", ""), ("Jim", "", "", "")],
        numbers=[2, 3],
    ),
    Readable(
        "doubled-quotes",
        csv_lines(HEAD, '"""Jane""",Doe,"A ""B"" C",' + URL),
        [('"Jane"', "Doe", 'A "B" C', URL)],
    ),
    Readable(
        "quote-inside-bare",
        csv_lines(HEAD, "5\" pipe,O'Neil,Acme," + URL),
        [('5" pipe', "O'Neil", "Acme", URL)],
    ),
    Readable(
        "formula-cells",
        csv_lines(HEAD, '"=HYPERLINK(""http://x"",""y"")",+1,-1,@SUM'),
        [('=HYPERLINK("http://x","y")', "+1", "-1", "@SUM")],
    ),
    Readable(
        "space-then-quote",
        csv_lines(
            HEAD.replace(",", ', "', 1).replace('"Last Name', '"Last Name"'), 'Jane, "Doe, Jr.",Acme,' + URL
        ),
        [("Jane", "Doe, Jr.", "Acme", URL)],
        note="spaces after",
    ),
    Readable(
        "sep-hint",
        csv_lines("sep=;", "First Name;Last Name;Company;LinkedIn URL", ";".join(JANE)),
        [JANE],
        numbers=[2],
    ),
    Readable("sep-hint-quoted", csv_lines('"sep=|"', "|".join(HEADER), "|".join(JANE)), [JANE]),
    Readable(
        "linkedin-connections",
        csv_lines(
            "Notes:",
            '"When exporting, addresses may be missing, see https://x"',
            "",
            "First Name,Last Name,URL,Email Address,Company",
            f"Jane,Doe,{URL},,Acme",
        ),
        [("Jane", "Doe", URL, "", "Acme")],
        numbers=[5],
    ),
    Readable(
        "mixed-line-ends",
        f"{HEAD}\r\n{','.join(JANE)}\n{','.join(JANE)}\r{','.join(JANE)}".encode(),
        [JANE] * 3,
    ),
    Readable(
        "odd-separators-in-cell",
        csv_lines(HEAD, "Ja\x0bne,D\x0coe,A\u2028c\x85me," + URL),
        [("Ja\x0bne", "D\x0coe", "A\u2028c\x85me", URL)],
    ),
    Readable(
        "mark-inside", csv_lines(HEAD, "Jane\ufeff,Doe,Acme," + URL), [("Jane\ufeff", "Doe", "Acme", URL)]
    ),
    Readable("emoji-and-scripts", csv_lines(HEAD, "🦊,名前,شركة," + URL), [("🦊", "名前", "شركة", URL)]),
    Readable(
        "replacement-character",
        csv_lines(HEAD, "J\ufffdne,Doe,Acme," + URL),
        [("J\ufffdne", "Doe", "Acme", URL)],
    ),
    Readable(
        "duplicate-headers",
        csv_lines("Email,Email,Notes,Notes", "a@b.co,a@b.co,x,y"),
        [("a@b.co", "a@b.co", "x", "y")],
    ),
    Readable("blank-headers", csv_lines("Email,,, ", "a@b.co,x,y,z"), [("a@b.co", "x", "y", "z")]),
    Readable(
        "header-with-breaks", csv_lines('"Email\r\n","First\nName"', "a@b.co,Jane"), [("a@b.co", "Jane")]
    ),
    Readable(
        "header-break-in-crlf-file", csv_lines('"First\nName",Email', "Jane,a@b.co"), [("Jane", "a@b.co")]
    ),
    Readable("header-hostile-quote", csv_lines('"a, ""b""",Email', "x,a@b.co"), [("x", "a@b.co")]),
    Readable("largest-cell", csv_lines(HEAD, f"{LONG},Doe,Acme,{URL}"), [(LONG, "Doe", "Acme", URL)]),
    Readable(
        "thousand-line-cell",
        csv_lines(HEAD, '"' + "x\n" * 999 + f'",Doe,Acme,{URL}'),
        [("x\n" * 999, "Doe", "Acme", URL)],
    ),
    Readable(
        "delimiter-told",
        csv_lines("First Name^Email", "Jane^a@b.co"),
        [("Jane", "a@b.co")],
        {"delimiter": "^"},
    ),
    Readable(
        "delimiter-told-tab",
        csv_lines("First Name\tEmail", "Jane\ta@b.co"),
        [("Jane", "a@b.co")],
        {"delimiter": "tab"},
    ),
    Readable(
        "commas-in-semicolon-header",
        csv_lines("Notes, long, longer;Email", "a, b;a@b.co"),
        [("a, b", "a@b.co")],
    ),
    Readable("no-header", csv_lines("Jane,Doe,Acme," + URL), [JANE], {"has_header": False}, numbers=[1]),
    Readable(
        "no-header-but-one",
        csv_lines("Email,LinkedIn", f"a@b.co,{URL}"),
        [("Email", "LinkedIn"), ("a@b.co", URL)],
        {"has_header": False, "mapping": {"email": "1"}},
        note="looks like column headers",
    ),
    Readable("tsv", text(BASIC, "\t").encode(), BASIC, extension=".tsv"),
    Readable("tab", text(BASIC, "\t").encode(), BASIC, extension=".TAB"),
    Readable(
        "tsv-with-commas",
        csv_lines("First Name\tEmail", "Doe, Jane\ta@b.co"),
        [("Doe, Jane", "a@b.co")],
        extension=".tsv",
    ),
    Readable("txt-told", text(BASIC).encode(), BASIC, {"format": "csv"}, extension=".txt"),
    Readable(
        "unknown-header-mapped",
        csv_lines("Spalte A,Spalte B", f"{URL},x"),
        [(URL, "x")],
        {"mapping": {"linkedin_url": "Spalte A"}},
    ),
    Readable("header-known-by-values", csv_lines("Wer,Wo", f"{URL},x"), [(URL, "x")]),
    Readable("trailing-delimiter", csv_lines(HEAD + ",", ",".join(JANE) + ","), [(*JANE, "")]),
]

_UNENDED = csv_lines(HEAD, ",".join(JANE), 'Jim,"Doe,Acme,')

REFUSED = [
    Refused("empty", b"", "is empty"),
    Refused("only-mark", codecs.BOM_UTF8, "is empty"),
    Refused("only-blank-lines", b"\r\n\r\n", "is empty"),
    Refused("workbook", b"PK\x03\x04rest", "Excel workbook"),
    Refused("old-workbook", b"\xd0\xcf\x11\xe0rest", "Excel workbook"),
    Refused("gzip", b"\x1f\x8brest", "gzip"),
    Refused("pdf", b"%PDF-1.7", "PDF"),
    Refused("extension", b"Email\r\n", "--format", extension=".txt"),
    Refused("no-extension", b"Email\r\n", "no extension", extension=""),
    Refused("open-quote", _UNENDED, "a quote opens here", 3, "Last Name"),
    Refused(
        "open-quote-in-header", b'First Name,"Email\r\nJane,a@b.co\r\n', "a quote opens here", 1, "Column 2"
    ),
    Refused(
        "open-quote-over-lines",
        csv_lines(HEAD, ",".join(JANE), '"Jim,,,', *["a,b,c,d"] * 1500, '"'),
        "a quote opens here",
        3,
        "First Name",
    ),
    Refused(
        "open-quote-over-a-megabyte",
        csv_lines(HEAD, 'J,"D' + "x" * 900, *["y" * 900] * 1300),
        "a quote opens here",
        2,
        "Last Name",
    ),
    Refused("stray-quote", csv_lines(HEAD, '"Jane "J" Doe",,,'), "after its closing quote", 2, "First Name"),
    Refused("text-after-quote", csv_lines(HEAD, 'Jane,"Doe" ,,'), "after its closing quote", 2, "Last Name"),
    Refused(
        "too-large",
        csv_lines(HEAD, ",".join(JANE), f"Jane,{LONG}x,Acme,"),
        "larger than 1 MiB",
        3,
        "Last Name",
    ),
    Refused("ten-megabytes", csv_lines(HEAD, f'Jane,Doe,"{LONG * 10}",'), "larger than 1 MiB", 2, "Company"),
    Refused("endless-line", csv_lines(HEAD, "x," * (9 << 20)), "longer than 16 MiB"),
    Refused("nul", csv_lines(HEAD, ",".join(JANE), "Jane,D\0oe,,"), "NUL", 3, "Last Name"),
    Refused("nul-in-header", csv_lines("First\0Name,Email", "Jane,"), "NUL", 1),
    Refused("utf-16-unmarked", text(BASIC).encode("utf-16-le"), "--encoding utf-16-le", 1),
    Refused(
        "no-encoding", csv_lines(HEAD, ",".join(JANE)) + b"Jane,D\x81oe,,\r\n", "not utf-8", 3, "Last Name"
    ),
    Refused(
        "not-utf-8-as-told", text(BASIC).encode("cp1252"), "not utf-8", 3, "First Name", {"encoding": "utf-8"}
    ),
    Refused("not-ascii-as-told", text(BASIC).encode(), "not ascii", 3, "First Name", {"encoding": "ascii"}),
    Refused(
        "cut-utf-16",
        codecs.BOM_UTF16_LE + text(BASIC).encode("utf-16-le")[:-1],
        "not utf-16-le",
        5,
        "First Name",
    ),
    Refused(
        "unknown-encoding", csv_lines(HEAD), "no text encoding has that name", options={"encoding": "klingon"}
    ),
    Refused(
        "not-a-text-encoding", csv_lines(HEAD), "no text encoding has that name", options={"encoding": "hex"}
    ),
    Refused("bad-delimiter", csv_lines(HEAD), "is not a delimiter", options={"delimiter": ";;"}),
    Refused("quote-as-delimiter", csv_lines(HEAD), "is not a delimiter", options={"delimiter": '"'}),
    Refused("no-header-url", csv_lines(",".join(JANE), ",".join(JANE)), "--map linkedin_url=4", 1),
    Refused("no-header-email", csv_lines("Jane,Doe,jane@acme.com"), "--map email=3", 1),
    Refused(
        "unknown-headers",
        csv_lines("Foo,Bar", "1,2"),
        'none of the column headers is known ("Foo", "Bar")',
        1,
    ),
    Refused(
        "unknown-headers-key-mapped",
        csv_lines("Foo,Bar", "1,2"),
        "none of the column headers",
        1,
        options={"mapping": {"key": "Foo"}},
    ),
    Refused(
        "nothing-known-without-header",
        csv_lines("1,2"),
        "its columns cannot be recognised",
        options={"has_header": False},
    ),
    Refused(
        "ambiguous", csv_lines("LinkedIn,LinkedIn", f"{URL},{URL}2"), "could both be linkedin_url", options={}
    ),
    Refused(
        "ambiguous-names",
        csv_lines("First Name,First Name,Last Name,Company", "Jane,Jim,Doe,Acme"),
        "could both be first_name",
    ),
    Refused(
        "unknown-field", csv_lines(HEAD), "did you mean", options={"mapping": {"linkedin": "LinkedIn URL"}}
    ),
    Refused(
        "unknown-column",
        csv_lines(HEAD),
        'did you mean "LinkedIn URL"',
        options={"mapping": {"linkedin_url": "Linkdin URL"}},
    ),
    Refused("json-array", b'[{"email": "a@b.co"}]', "is not an object", 1, extension=".jsonl"),
    Refused("json-broken", b'{"email": "a@b.co"}\n{"email": \n', "is not JSON", 2, extension=".jsonl"),
    Refused("json-twice", b'{"email": "a", "email": "b"}\n', "same key twice", 1, extension=".ndjson"),
    Refused(
        "json-nested",
        b'{"email": "a@b.co"}\n{"email": ["a@b.co"]}\n',
        "list or an object",
        2,
        "email",
        extension=".jsonl",
    ),
    Refused("json-deep", b'{"a": ' + b"[" * 100_000, "nested too deeply", 1, extension=".jsonl"),
    Refused("json-nul", b'{"email": "a@b.co"}\n{"email": "a\0"}\n', "NUL", 2, extension=".jsonl"),
    Refused("json-number", b"1\n", "is not an object", 1, extension=".jsonl"),
]

READABLE = [*_layouts(), *_encodings(), *_SHAPES]
