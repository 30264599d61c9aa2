"""The page of faults names only tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_kind_of_fault_names_a_test():
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    kinds = [row for row in rows if not row.startswith("| kind")]
    assert len(kinds) >= 33
    for kind in kinds:
        named = re.findall(r"`(tests/[\w/]+\.py)`", kind)
        assert named, kind
        assert all((ROOT / path).is_file() for path in named), kind
