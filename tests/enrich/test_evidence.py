"""The rule of evidence: its table, and that no small or random workflow gives a row to a wrong person."""

from itertools import islice, product
from random import Random

import pytest

from cleanlist_async.enrich.evidence import Evidence, Said, weigh
from cleanlist_async.enrich.normalize import name_key, words
from tests.support.examples import examples
from tests.support.random_workflows import DENSE_NAMESAKES, FEW_NAMESAKES, NO_NAMESAKES, joined, workflow
from tests.support.small_worlds import worlds, wrong_joins

SAME, OTHER, OPEN = Said.SAME, Said.OTHER, Said.OPEN
ANY = (SAME, OTHER, OPEN)
TABLE = [  # input, profile, name, employer: the lines of the docstring
    ((SAME,), ANY, ANY, ANY, Evidence.CERTAIN),
    (ANY, (SAME,), ANY, ANY, Evidence.CERTAIN),
    ((OTHER, OPEN), (OTHER, OPEN), (OTHER,), ANY, Evidence.NONE),
    ((OTHER,), (OTHER, OPEN), (OPEN,), ANY, Evidence.NONE),
    ((OPEN,), (OPEN,), (SAME,), (SAME, OPEN), Evidence.NAMED),
    ((OTHER,), (OTHER, OPEN), (SAME,), (SAME, OPEN), Evidence.DISPUTED),
    ((OPEN,), (OTHER,), (SAME,), (SAME, OPEN), Evidence.DISPUTED),
    ((OTHER, OPEN), (OTHER, OPEN), (SAME,), (OTHER,), Evidence.PLACED),
    ((OPEN,), (OTHER, OPEN), (OPEN,), ANY, Evidence.PLACED),
]


def test_every_combination_is_in_one_line_of_the_table_and_weighed_by_it():
    lines = [(combination, evidence) for *sides, evidence in TABLE for combination in product(*sides)]
    proved = dict(lines)
    assert set(proved) == set(product(ANY, repeat=4))
    for (given, profile, name, employer), evidence in proved.items():
        assert weigh(given=given, profile=profile, name=name, employer=employer) is evidence


@pytest.mark.parametrize(
    ("one", "other"),
    [("Bob Lee", "Robert Q. Lee"), ("Jörg Müller", "Joerg Mueller"), ("Lee, Kate", "Katherine Lee")],
)
def test_forms_of_one_name_have_one_key(one, other):
    assert name_key(frozenset(words(one))) == name_key(frozenset(words(other)))


@pytest.mark.parametrize(
    ("one", "other"), [("Ada Lee", "Ida Lee"), ("Ada1 Lee1", "Ada11 Lee11"), ("A. Lee", "B. Lee")]
)
def test_other_names_have_other_keys(one, other):
    assert name_key(frozenset(words(one))) != name_key(frozenset(words(other)))


def test_no_world_of_one_contact_has_a_wrong_join():
    assert not [wrong for world in worlds(1, alike=False) for wrong in wrong_joins(world)]


@pytest.mark.scaled
@pytest.mark.parametrize(("size", "alike", "every"), [(2, False, 29), (3, True, 151)])
def test_no_world_of_a_few_contacts_has_a_wrong_join(size, alike, every):
    """Every so many of them; the scorecard goes through them all."""
    for world in islice(worlds(size, alike=alike), None, None, every * 100 // examples(100)):
        assert not list(wrong_joins(world)), world


@pytest.mark.scaled
@pytest.mark.parametrize("population", [NO_NAMESAKES, FEW_NAMESAKES, DENSE_NAMESAKES])
def test_no_random_workflow_has_a_wrong_join(population):
    """The rules before these had one in 50 of the dense workflows."""
    for seed in range(examples(300)):
        _joins, wrong, _left = joined(workflow(Random(seed), population))
        assert not wrong, seed
