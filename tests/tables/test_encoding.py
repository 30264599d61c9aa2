from __future__ import annotations

import pytest

from cleanlist_async.tables import ContactTable, TableError
from tests.support.cases import each_case

LATIN = "First Name,Last Name,Company\r\nAda,Love,Acme\r\n"
JAPANESE = "名,姓,会社名\r\n花子,山田,株式会社アクメ\r\n"
RUSSIAN = "Имя,Фамилия,Компания\r\nИван,Петров,Ромашка\r\n"  # noqa: RUF001
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


@each_case("text", [LATIN, JAPANESE, RUSSIAN])
@each_case("encoding", WIDE)
def test_the_byte_order_of_a_file_without_a_mark_is_told(encoding, text, tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(TableError, match=f"pass --encoding {encoding}"):
        ContactTable.open(path)


@each_case("text", [LATIN, JAPANESE, RUSSIAN])
@each_case("encoding", WIDE)
def test_the_name_without_a_byte_order_finds_it(encoding, text, tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_bytes(text.encode(encoding))
    table = ContactTable.open(path, encoding=encoding[:6])
    assert table.source.file.encoding.name == encoding
    assert len(list(table.contacts())) == 1
