"""Addresses that an answer may name, and that nobody may fetch who is not there already."""

from __future__ import annotations

from typing import Final

LOOPBACK: Final = (
    *("127.0.0.1", "127.8.8.8", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001"),
    *("localhost", "LOCALHOST", "localhost.", "files.localhost", "127.0.0.1."),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[2002:7f00:1::]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]"),
)
PRIVATE: Final = (
    *("10.0.0.1", "10.1", "172.16.0.1", "172.31.255.254", "192.168.1.1", "0xc0a80101", "100.64.0.1"),
    *(
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fec0::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:a00:1::]",
    ),
)
LINK_LOCAL: Final = ("169.254.169.254", "2852039166", "0xa9fea9fe", "[fe80::1]", "[::ffff:169.254.169.254]")
NOBODYS: Final = (
    *("0.0.0.0", "0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
    *("192.0.0.192", "[3fff::1]", "[::]", "[ff02::1]", "[2001:db8::1]", "[2001:0:7f00:1::1]"),
)
PUBLIC: Final = ("files.example", "93.184.215.14", "[2606:2800:21f:cb07::1]", "[64:ff9b::93.184.215.14]")
ALL: Final = (*LOOPBACK, *PRIVATE, *LINK_LOCAL, *NOBODYS)
