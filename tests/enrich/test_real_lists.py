"""Lists as spreadsheets and CRMs write them: each person bought once, and delivered to every row.

======================================  =======================================================  ======
kind                                    sample                                                   bought
======================================  =======================================================  ======
look-alike rows                         look_alikes.csv: with and without an e-mail address         3
composed and decomposed letters         nfc_nfd.csv                                                 1
one profile in many spellings           linkedin_spellings.csv                                      1
LinkedIn values that are no profile     linkedin_shapes.csv: a company, a feed, mail, a formula     4
placeholders as data                    placeholders.csv, placeholder_linkedin.csv                3, 2
blank rows, titles and footers          blank_commas.csv, title_row.csv, report_footer.csv     2, 1, 1
======================================  =======================================================  ======
"""

from pathlib import Path

import pytest

from cleanlist_async.sandbox import Shape
from cleanlist_async.tables import ContactTable
from tests.support.virtual_sandbox import check_against_ledger, check_one_result_each, open_world

CASES = Path(__file__).parents[1] / "tables" / "cases"
BOUGHT = {
    "look_alikes.csv": 3,
    "nfc_nfd.csv": 1,
    "linkedin_spellings.csv": 1,
    "linkedin_shapes.csv": 4,
    "placeholders.csv": 3,
    "placeholder_linkedin.csv": 2,
    "blank_commas.csv": 2,
    "title_row.csv": 1,
    "report_footer.csv": 1,
}
SHAPES = {
    "inputs echoed": Shape(),
    "nothing echoed": Shape(echo_input=False),
    "ids in any order": Shape(echo_input=False, shuffle_ids=True, shuffle_rows=True),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BOUGHT)
async def test_a_list_is_bought_once_and_delivered_whole(name, shape):
    contacts = list(ContactTable.open(CASES / name).contacts())
    async with open_world(shape=SHAPES[shape]) as world:
        report = await world.client.enrich(contacts)
        check_one_result_each(report.results, contacts)
        check_against_ledger(world, [one for one in report.results if one.duplicate_of is None])
        assert {one.status for one in report.results} <= {"found", "not_found", "invalid"}
        assert len(world.ledger.contacts) == BOUGHT[name]
        assert report.summary.credits == world.ledger.credits_charged
