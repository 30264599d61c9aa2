from __future__ import annotations

import csv
import json
import os
import random
import resource
from pathlib import Path

import pytest

from cleanlist_async.tables import ENRICHMENT_COLUMNS, ContactTable, EnrichedWriter, TableError, own_files
from tests.support.cases import each_case

INPUT = "Email,Note\na@b.co,one\nc@d.co,two\ne@f.co,three\n"


@pytest.fixture
def table(tmp_path) -> ContactTable:
    path = tmp_path / "in.csv"
    path.write_text(INPUT, newline="")
    return ContactTable.open(path)


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.reader(stream))


def test_rows_are_written_in_input_order_whatever_order_they_come_in(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("Email\n" + "".join(f"p{number}@acme.com\n" for number in range(500)))
    table = ContactTable.open(source)
    order = list(range(500))
    random.Random(7).shuffle(order)
    with EnrichedWriter(tmp_path / "out.csv", table) as writer:
        for index in order:
            writer.put(index, {"cleanlist_task_id": f"t{index}"})
        assert writer.rows_written == 500
    header, *rows = lines(tmp_path / "out.csv")
    assert header == ["Email", *ENRICHMENT_COLUMNS]
    assert [(row[0], row[8]) for row in rows] == [
        (f"p{number}@acme.com", f"t{number}") for number in range(500)
    ]


def test_rows_never_put_are_written_with_what_close_is_told(table, tmp_path):
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    writer.put(1, {"cleanlist_status": "found"})
    writer.close({"cleanlist_status": "pending"})
    writer.close()
    assert [row[2] for row in lines(tmp_path / "out.csv")] == [
        "cleanlist_status",
        "pending",
        "found",
        "pending",
    ]


def test_an_error_in_the_run_loses_nothing(table, tmp_path):
    def run() -> None:
        with EnrichedWriter(tmp_path / "out.csv", table) as writer:
            writer.put(2, {"cleanlist_status": "found"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert [row[2] for row in lines(tmp_path / "out.csv")[1:]] == ["", "", "found"]


def test_flush_partial_leaves_all_that_is_known_in_the_part_file(table, tmp_path):
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    part = tmp_path / "out.csv.part"
    assert writer.part_path == part
    writer.put(2, {"cleanlist_status": "found"})
    for _ in range(2):
        writer.flush_partial()
        assert [row[2] for row in lines(part)[1:]] == ["", "", "found"]
    writer.put(0, {"cleanlist_status": "not_found"})
    writer.flush_partial()
    assert [row[2] for row in lines(part)[1:]] == ["not_found", "", "found"]
    assert not (tmp_path / "out.csv").exists()
    writer.put(1, {"cleanlist_status": "invalid"})
    writer.close()
    assert [row[2] for row in lines(tmp_path / "out.csv")[1:]] == ["not_found", "invalid", "found"]
    assert not part.exists()


def test_a_part_of_an_earlier_run_is_never_touched(table, tmp_path):
    (tmp_path / "out.csv.part").write_text("paid for")
    with EnrichedWriter(tmp_path / "out.csv", table, overwrite=True) as writer:
        assert writer.part_path.name == "out.csv.part2"
    assert (tmp_path / "out.csv.part").read_text() == "paid for"
    assert len(lines(tmp_path / "out.csv")) == 4


def test_refuses_the_input_by_any_name(table, tmp_path):
    (tmp_path / "soft.csv").symlink_to(tmp_path / "in.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "in.csv")
    for name in ("in.csv", "soft.csv", "hard.csv"):
        with pytest.raises(TableError, match="is the input itself"):
            EnrichedWriter(tmp_path / name, table, overwrite=True)
    assert (tmp_path / "in.csv").read_text() == INPUT


def test_an_existing_output_needs_overwrite(table, tmp_path):
    target = tmp_path / "out.csv"
    target.write_text("mine")
    with pytest.raises(TableError, match="already exists; name another file, or pass --overwrite"):
        EnrichedWriter(target, table)
    assert target.read_text() == "mine"
    with EnrichedWriter(target, table, overwrite=True):
        assert target.read_text() == "mine"
    assert len(lines(target)) == 4


def test_an_output_that_came_into_being_meanwhile_is_not_overwritten(table, tmp_path):
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(TableError, match=r"the output is in out\.csv\.part"):
        writer.close()
    assert (tmp_path / "out.csv").read_text() == "mine"
    assert len(lines(tmp_path / "out.csv.part")) == 4


def test_refuses_folders(table, tmp_path):
    with pytest.raises(TableError, match="is a folder"):
        EnrichedWriter(tmp_path, table)
    with pytest.raises(TableError, match="its folder does not exist"):
        EnrichedWriter(tmp_path / "none" / "out.csv", table)


def test_an_input_that_changed_is_not_written_under_the_target_s_name(table, tmp_path):
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    writer.put(0, {"cleanlist_status": "found"})
    (tmp_path / "in.csv").write_text("Email,Note\nc@d.co,two\n")
    with pytest.raises(TableError, match=r"has changed since it was read; .* out\.csv\.part"):
        writer.close()
    assert not (tmp_path / "out.csv").exists()
    assert (tmp_path / "out.csv.part").exists()


def test_an_input_that_was_only_touched_is_the_same(table, tmp_path):
    os.utime(tmp_path / "in.csv", (1, 1))
    with EnrichedWriter(tmp_path / "out.csv", table):
        pass
    assert len(lines(tmp_path / "out.csv")) == 4


def test_wrong_indexes_and_columns_are_refused(table, tmp_path):
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    with pytest.raises(ValueError, match="no such enrichment columns: status"):
        writer.put(0, {"status": "found"})
    with pytest.raises(ValueError, match="already written"):
        writer.put(-1, {})
    writer.put(0, {})
    with pytest.raises(ValueError, match="already written"):
        writer.put(0, {})
    writer.put(7, {"cleanlist_status": "found"})
    with pytest.raises(TableError, match=r"1 results belong to no row of .*in\.csv"):
        writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.put(1, {})


def test_after_a_failed_write_no_row_gets_another_s_enrichment(table, tmp_path, monkeypatch):
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    writer.put(0, {"cleanlist_status": "first"})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(own_files.PartFile, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.put(1, {"cleanlist_status": "second"})
    with pytest.raises(TableError, match=r"was not finished; what is written is in out\.csv\.part"):
        writer.close({"cleanlist_status": "missing"})
    assert [row[2] for row in lines(tmp_path / "out.csv.part")[1:]] == ["first"]
    assert not (tmp_path / "out.csv").exists()


def test_a_row_that_cannot_be_read_ends_the_output_before_it(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("Email\n" + "a@b.co\n" * 150 + '"x"y\n' + "c@d.co\n")
    table = ContactTable.open(source)
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    with pytest.raises(TableError, match="row 152"):
        for index in range(152):
            writer.put(index, {})
    with pytest.raises(TableError, match="was not finished"):
        writer.close()
    assert len(lines(tmp_path / "out.csv.part")) == 151


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_in_one_line(table, tmp_path, monkeypatch):
    full = Path("/dev/full")
    monkeypatch.setattr(own_files, "_create_beside", lambda *_: (full, full.open("wb")))
    writer = EnrichedWriter(tmp_path / "out.csv", table)
    for act in (writer.flush_partial, writer.close):
        with pytest.raises(TableError, match=r"out\.csv: cannot be written \(No space left on device\)"):
            act()


def test_a_disk_that_is_full_in_the_middle_of_a_flush_leaves_no_piece_of_a_row(tmp_path):
    rows = [["Email", "Note"], ["a@b.co", "x" * 600_000], ["c@d.co", "two"]]
    (tmp_path / "in.csv").write_text("".join(",".join(row) + "\n" for row in rows), newline="")
    writer = EnrichedWriter(tmp_path / "out.csv", ContactTable.open(tmp_path / "in.csv"))
    writer.put(1, {"cleanlist_status": "found"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(TableError, match="cannot be written"):
            writer.flush_partial()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    writer.close()
    assert [row[:2] for row in lines(tmp_path / "out.csv")] == rows


def test_ordinary_permissions(table, tmp_path):
    before = os.umask(0o022)
    try:
        EnrichedWriter(tmp_path / "out.csv", table).close()
    finally:
        os.umask(before)
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o644


LEADS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\0=1",
    "\uff1d1",
    '=HYPERLINK("http://x")',
    "=cmd|' /C'!A0",
]


@each_case("lead", LEADS)
@each_case("extension", ["csv", "tsv"])
def test_no_enrichment_is_a_formula(lead, extension, tmp_path):
    source = tmp_path / f"in.{extension}"
    source.write_text("Email\n=mine@x.example\n", newline="")
    table = ContactTable.open(source)
    target = tmp_path / f"out.{extension}"
    with EnrichedWriter(target, table) as writer:
        writer.put(0, dict.fromkeys(ENRICHMENT_COLUMNS, lead))
    (row,) = ContactTable.open(target).rows()
    assert row.cells == ("=mine@x.example", *[f"'{lead}".replace("\0", "\ufffd")] * len(ENRICHMENT_COLUMNS))
    with EnrichedWriter(target, table, excel_safe=False, overwrite=True) as writer:
        writer.put(0, dict.fromkeys(ENRICHMENT_COLUMNS, lead))
    (row,) = ContactTable.open(target).rows()
    assert row.cells[1:] == (lead.replace("\0", "\ufffd"),) * len(ENRICHMENT_COLUMNS)


@pytest.mark.parametrize(
    "phone", ["+1 555 0100", "+49 (30) 123-456 x12", "+1 555; +44 20 7946", "(555) 0100", ""]
)
def test_phones_keep_their_plus(phone, table, tmp_path):
    with EnrichedWriter(tmp_path / "out.csv", table) as writer:
        writer.put(0, {"cleanlist_phones": phone, "cleanlist_email": "+1 555"})
    row = lines(tmp_path / "out.csv")[1]
    assert (row[5], row[3]) == (phone, "'+1 555")


@pytest.mark.parametrize("phone", ["+1+cmd|A0", "-2+3", "=1", "+1;=2", "+x1", "+1\n=2", "@1"])
def test_phones_that_are_formulas_do_not(phone, table, tmp_path):
    with EnrichedWriter(tmp_path / "out.csv", table) as writer:
        writer.put(0, {"cleanlist_phones": phone})
    assert lines(tmp_path / "out.csv")[1][5] == f"'{phone}"


def test_our_own_output_can_be_enriched_again(table, tmp_path):
    with EnrichedWriter(tmp_path / "once.csv", table) as writer:
        writer.put(0, {"cleanlist_status": "found"})
    once = ContactTable.open(tmp_path / "once.csv")
    assert set(once.columns) == {"email"}
    with EnrichedWriter(tmp_path / "twice.csv", once) as writer:
        writer.put(0, {"cleanlist_status": "not_found"})
    header, first, *_ = lines(tmp_path / "twice.csv")
    assert header[2] == "cleanlist_status"
    assert header[11:] == [f"{column} (2)" for column in ENRICHMENT_COLUMNS]
    assert (first[2], first[11]) == ("found", "not_found")


def test_an_encoding_that_lacks_a_character_becomes_utf_8(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes("Email,Note\r\na@b.co,Jörg\r\nc@d.co,ä\r\n".encode("cp1252"))
    table = ContactTable.open(source, encoding="cp1252")
    with EnrichedWriter(tmp_path / "out.csv", table) as writer:
        writer.put(0, {"cleanlist_error": "é"})
        assert writer.notes == []
        writer.put(1, {"cleanlist_error": "名前"})
        assert writer.notes == ["written as UTF-8, because cp1252 lacks some of its characters"]
        assert writer.part_path.name == "out.csv.part"
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfEmail")
    assert [(row[1], row[7]) for row in lines(tmp_path / "out.csv")[1:]] == [("Jörg", "é"), ("ä", "名前")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_a_lone_surrogate_does_not_lose_the_row(table, tmp_path):
    with EnrichedWriter(tmp_path / "out.csv", table) as writer:
        writer.put(0, {"cleanlist_error": "a\ud800b"})
        assert writer.notes == ["characters that cannot be encoded were written as ?"]
    assert lines(tmp_path / "out.csv")[1][7] == "a?b"


def test_csv_to_json_lines(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes("Email;Email;\r\na@b.co;é;x;extra\r\n\r\n".encode("cp1252"))
    with EnrichedWriter(
        tmp_path / "out.jsonl", ContactTable.open(source, {"email": "Email"}, encoding="cp1252")
    ) as writer:
        writer.put(0, {"cleanlist_status": "=found"})
    (line,) = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    row = json.loads(line)
    assert list(row) == ["Email", "Email (2)", "Column 3", "Column 4", *ENRICHMENT_COLUMNS]
    assert list(row.values())[:5] == ["a@b.co", "é", "x", "extra", "=found"]


def test_json_lines_are_extended_to_the_byte(tmp_path):
    source = tmp_path / "in.jsonl"
    objects = [
        '{"email": "a@b.co", "n": 1.50, "big": 1e400, "u": "\\u00e9é"}',
        "{ }",
        '{"cleanlist_error": "mine", "x": {"y": [1.0]} }',
    ]
    source.write_text("\n\n".join(objects), encoding="utf-8")
    with EnrichedWriter(tmp_path / "out.jsonl", ContactTable.open(source)) as writer:
        writer.put(2, {"cleanlist_error": "none"})
    written = (tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n")
    assert written[1] == written[3] == ""
    for given, got in zip(objects, written[::2], strict=False):
        assert got.startswith(given[:-1].rstrip())
        assert json.loads(got).items() >= json.loads(given).items()
    last = json.loads(written[4])
    assert (last["cleanlist_error"], last["cleanlist_error (2)"]) == ("mine", "none")


def test_a_key_that_only_later_objects_have_is_not_doubled(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(
        '{"email": "a@b.co"}\n' * 150 + '{"email": "a@b.co", "cleanlist_status": "mine", "late": 1.50}\n'
    )
    table = ContactTable.open(source)
    with EnrichedWriter(tmp_path / "out.jsonl", table) as writer:
        for index in range(151):
            writer.put(index, {"cleanlist_status": "ours"})
    last = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[-1])
    assert (last["cleanlist_status"], last["cleanlist_status (2)"]) == ("mine", "ours")
    with EnrichedWriter(tmp_path / "out.csv", table) as writer:
        writer.put(150, {"cleanlist_status": "ours"})
    header, *_, last = lines(tmp_path / "out.csv")
    assert header[:4] == ["email", "cleanlist_status", "late", "cleanlist_status (2)"]
    assert last[:4] == ["a@b.co", "mine", "1.50", "ours"]


def test_nested_json_becomes_text_in_csv(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text(
        '{"email": "a@b.co", "tags": ["x", 1.50, null, true], "o": {"k": 1}, "b": false, "z": null}\n'
    )
    with EnrichedWriter(tmp_path / "out.tsv", ContactTable.open(source)):
        pass
    (row,) = ContactTable.open(tmp_path / "out.tsv").rows()
    assert row.cells[:5] == ("a@b.co", '["x", 1.50, null, true]', '{"k": 1}', "false", "")


@each_case(
    ("given", "target", "delimiter"),
    [
        (";", "out.csv", ";"),
        (";", "out.tsv", "\t"),
        ("\t", "out.csv", "\t"),
        (",", "out.txt", ","),
        ("|", "OUT.TSV", "\t"),
    ],
)
def test_the_delimiter_is_the_input_s_unless_the_format_changes(given, target, delimiter, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text(f"sep={given}\nFirst Name{given}Email\nJane{given}a@b.co\n", newline="")
    with EnrichedWriter(tmp_path / target, ContactTable.open(source)):
        pass
    written = (tmp_path / target).read_text().splitlines()
    assert written.pop(0) == f"sep={given}" if delimiter == given else True
    assert written[0].startswith(f"First Name{delimiter}Email{delimiter}cleanlist_status")


def test_a_table_quoted_throughout_stays_so(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text('"Email","Note"\n"a@b.co",""\n', newline="")
    with EnrichedWriter(tmp_path / "out.csv", ContactTable.open(source), columns=["x"]):
        pass
    assert (tmp_path / "out.csv").read_text() == '"Email","Note","x"\n"a@b.co","",""\n'


def test_flush_partial_of_what_the_encoding_lacks_does_not_upset_the_file(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes("Email,Note\r\na@b.co,Jörg\r\nc@d.co,ä\r\n".encode("cp1252"))
    writer = EnrichedWriter(tmp_path / "out.csv", ContactTable.open(source, encoding="cp1252"))
    writer.put(1, {"cleanlist_error": "名前"})
    writer.flush_partial()
    assert (tmp_path / "out.csv.part").read_text(encoding="cp1252").count("??") == 1
    writer.put(0, {})
    writer.close()
    assert [(row[1], row[7]) for row in lines(tmp_path / "out.csv")[1:]] == [("Jörg", ""), ("ä", "名前")]


def test_flush_partial_keeps_blank_lines_and_does_not_count_them(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("Email\n\na@b.co\n\n\nc@d.co\n\ne@f.co\n", newline="")
    writer = EnrichedWriter(tmp_path / "out.csv", ContactTable.open(source), columns=["x"])
    writer.put(0, {"x": "0"})
    writer.put(2, {"x": "2"})
    writer.flush_partial()
    expected = "Email,x\n\na@b.co,0\n\n\nc@d.co,{}\n\ne@f.co,2\n"
    assert (tmp_path / "out.csv.part").read_text() == expected.format('""')
    writer.put(1, {"x": "1"})
    writer.close()
    assert (tmp_path / "out.csv").read_text() == expected.format("1")


def test_json_lines_with_nul_become_csv_without_it(tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text(r'{"first_name": "A\u0000da", "last_name": "Love", "x\u0000": {"y": "\u0000"}}')
    with EnrichedWriter(target, ContactTable.open(source)) as writer:
        writer.put(0, {"cleanlist_status": "found"})
    assert b"\0" not in target.read_bytes()
    (row,) = ContactTable.open(target).rows()
    assert row.cells[:4] == ("A\ufffdda", "Love", '{"y": "\\u0000"}', "found")
