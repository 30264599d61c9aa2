"""A file that is not UTF-8 is read as what it declares or its owner says, never as a guess."""

import codecs

import pytest

from cleanlist_async.tables import ContactTable, EncodingUnknownError, TableError
from tests.support.cases import each_case

HEAD = "First Name,Last Name,Company\n"
ACCENTS = "Zoë,Brontë,Größe\nJosé,Muñoz,Ñandú\n"


def opened(tmp_path, data, **options):
    (tmp_path / "in.csv").write_bytes(data)
    return ContactTable.open(tmp_path / "in.csv", **options)


@each_case("bad", [b"J\xfcrgen", b"M\xc3", b"\xff", b"\xe2\x82", b"\xc0\xaf", b"\xed\xa0\x80"])
@pytest.mark.parametrize("rows", [1, 400])
def test_a_bad_byte_in_utf_8_is_named_by_row_and_column(bad, rows, tmp_path):
    text = (HEAD + ACCENTS * rows).encode() + b"Ada," + bad + b",Acme\n" + b"Bo,Berg,Beta\n"
    first = next(byte for byte in bad if byte > 0x7F)
    with pytest.raises(TableError, match=rf"0x{first:02X}, which is not utf-8; correct this cell") as caught:
        opened(tmp_path, text)
    assert not isinstance(caught.value, EncodingUnknownError)
    assert (caught.value.row, caught.value.column) == (2 + 2 * rows, "Last Name")


@each_case(
    ("encoding", "row"),
    [
        ("cp1252", ACCENTS),
        ("latin-1", "Ada,Björk,Acme\n"),
        ("cp1250", "Łukasz,Żółć,Łódź\n"),
        ("cp1251", "Юлий,Ильин,Жюли\n"),
        ("shift_jis", "太郎,山田,会社\n"),
        ("gb18030", "伟,王,公司\n"),
        ("mac-roman", ACCENTS),
    ],
)
def test_another_encoding_is_refused_until_it_is_named(encoding, row, tmp_path):
    data = (HEAD + row).encode(encoding)
    with pytest.raises(EncodingUnknownError, match="names no other encoding; pass --encoding") as caught:
        opened(tmp_path, data)
    assert caught.value.row == 2
    (contact, *_) = opened(tmp_path, data, encoding=encoding).contacts()
    assert contact.last_name == row.split(",")[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_declares_itself_or_is_utf_8_is_read(encoding, tmp_path):
    (contact, *_) = opened(tmp_path, (HEAD + ACCENTS).encode(encoding)).contacts()
    assert contact.last_name == "Brontë"


@each_case(
    ("mark", "is_in", "named"),
    [
        (b"", "utf-16-be", "utf-16-le"),
        (b"", "utf-16-le", "utf-16-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-be"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-le"),
    ],
)
def test_the_other_byte_order_is_refused(mark, is_in, named, tmp_path):
    with pytest.raises(TableError, match=f"is {is_in}, not {named}; pass --encoding {is_in}"):
        opened(tmp_path, mark + (HEAD + ACCENTS).encode(is_in), encoding=named)
