"""Random workflows: people with namesakes, what contacts give of them, and what a server says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from cleanlist_async import Contact
from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.enrich.matching import Match

SHORT = {
    "Robert": "Bob",
    "William": "Bill",
    "Margaret": "Peggy",
    "Katherine": "Kate",
    "Michael": "Mike",
    "Elizabeth": "Liz",
    "James": "Jim",
    "Jörg": "Joerg",
}
FIRST = (*SHORT, "Ada", "Grace", "Wei", "Maria", "Linus", "Olga", "Sven")
SAYS = {"profile": 0.6, "name": 0.9, "employer": 0.8, "input": 0.1}
"""Share of servers whose rows say such a thing."""

SYLLABLES = ("ba", "ke", "di", "fo", "gu", "la", "me", "ni", "po", "tu")


@dataclass(frozen=True)
class Population:
    """How often what happens to a person or a row: shares, 0..1, but for `last_names` and `employers`."""

    last_names: int = 2_000
    employers: int = 500
    namesakes: float = 0.0
    """People who have the name of another in their workflow; half of them the employer as well."""
    renamed: float = 0.05
    member_ids: float = 0.05
    """Rows that have an ``ACoAA...`` id for a profile."""
    moved: float = 0.05
    nicknames: float = 0.05
    silent: float = 0.1
    """Things that a row leaves out though others have them."""
    missing: float = 0.05


NO_NAMESAKES = Population()
FEW_NAMESAKES = Population(namesakes=0.03)
DENSE_NAMESAKES = Population(last_names=3, employers=20, namesakes=0.3, missing=0.15)


@dataclass(frozen=True)
class Person:
    """`number` is nobody else's."""

    number: int
    first: str
    last: str
    employer: str


@dataclass
class Workflow:
    """`rows` carry the position of their contact as an e-mail address; `late` come after the others."""

    contacts: list[Contact]
    ids: list[str | None]
    rows: list[EnrichmentRow]
    late: list[EnrichmentRow]

    def is_anothers(self, row: EnrichmentRow, position: int) -> bool:
        """Whether a row is another's; contacts that are the same word for word are one person."""
        return self.contacts[int(row.email or "")] != self.contacts[position]


def workflow(rng: Random, population: Population) -> Workflow:
    """Draw a workflow of up to 40 contacts."""
    people = _people(rng, population, rng.choice((1, 2, 3, 4, 6, 9, 12, 25, 40)))
    style = rng.choice(("profiles", "names", "mixed"))
    contacts = [_contact(rng, population, person, style) for person in people]
    says = {thing for thing, share in SAYS.items() if rng.random() < share}
    rows = [
        _row(rng, population, task, person, contact, says)
        for task, (person, contact) in enumerate(zip(people, contacts, strict=True))
    ]
    ids = _ids(rng, len(people))
    if rng.random() < 0.5:
        rng.shuffle(rows)
    missing = population.missing if rng.random() < 0.5 else 0.0
    there, late = [], []
    for row in rows:
        (late if rng.random() < missing else there).append(row)
    return Workflow(contacts, ids, there, late)


def _ids(rng: Random, count: int) -> list[str | None]:
    """Return ids in order, shuffled, or none."""
    tasks, dice = list(range(count)), rng.random()
    if dice < 0.4:
        rng.shuffle(tasks)
    return [None if dice > 0.8 else f"t{task}" for task in tasks]


def _people(rng: Random, population: Population, count: int) -> list[Person]:
    """Draw people of different names, and namesakes of theirs."""
    people: list[Person] = []
    names: set[tuple[str, str]] = set()
    while len(people) < count:
        number = rng.randrange(10**9)
        employer = f"company{rng.randrange(population.employers)}.example"
        if people and rng.random() < population.namesakes:
            like = rng.choice(people)
            employer = like.employer if rng.random() < 0.5 else employer
            people.append(Person(number, like.first, like.last, employer))
            continue
        name = (rng.choice(FIRST), f"Last{_letters(rng.randrange(population.last_names))}")
        if name not in names or len(names) >= len(FIRST) * population.last_names:
            names.add(name)
            people.append(Person(number, *name, employer))
    return people


def _letters(number: int) -> str:
    return "".join(SYLLABLES[int(digit)] for digit in str(number))


def _contact(rng: Random, population: Population, person: Person, style: str) -> Contact:
    first = SHORT.get(person.first, person.first) if rng.random() < population.nicknames else person.first
    profile = f"https://www.linkedin.com/in/p{person.number}"
    named = Contact(first_name=first, last_name=person.last, company_domain=person.employer)
    kind = rng.random()
    if style == "names" or (style == "mixed" and kind < 0.4):
        return named
    return Contact(linkedin_url=profile) if kind < 0.7 else replace(named, linkedin_url=profile)


def _row(
    rng: Random, population: Population, task: int, person: Person, contact: Contact, says: set[str]
) -> EnrichmentRow:
    shown = {thing for thing in sorted(says) if rng.random() >= population.silent}
    said: dict[str, object] = {"task_id": f"t{task}", "status": "completed", "email": str(task)}
    if "profile" in shown:
        said["linkedin_url"] = f"linkedin.com/in/{_slug(rng, population, person)}"
    if "name" in shown:
        first = SHORT.get(person.first, person.first) if rng.random() < population.nicknames else person.first
        said["first_name"] = f"{first} Q." if rng.random() < population.nicknames else first
        said["last_name"] = person.last
    if "employer" in shown:
        moved = rng.random() < population.moved
        new = f"company{rng.randrange(2 * population.employers)}.example"
        said["company_domain"] = new if moved else person.employer
    if "input" in shown:
        said["input"] = {name: value for name in Contact.__slots__ if (value := getattr(contact, name))}
    return EnrichmentRow(said)


def _slug(rng: Random, population: Population, person: Person) -> str:
    dice = rng.random()
    if dice < population.renamed:
        return f"renamed{person.number}"
    return (
        f"ACoAA{person.number}" if dice < population.renamed + population.member_ids else f"p{person.number}"
    )


def joined(drawn: Workflow) -> tuple[int, int, int]:
    """Join a workflow's rows, then, as `collect` does, those of the contacts that are left.

    Return the number of joins, of wrong ones among them, and of contacts that are left without a row.
    """
    whole = Match(drawn.contacts, drawn.ids, drawn.rows, whole=True)
    joins = [(position, row) for position, row in whole.given.items()]
    left = [position for position in range(len(drawn.contacts)) if position not in whole.given]
    for part in [left, *([position] for position in left[:2])] if left and drawn.late else ():
        contacts, ids = [drawn.contacts[at] for at in part], [whole.trusted_ids[at] for at in part]
        again = Match(contacts, ids, drawn.rows + drawn.late, whole=False)
        joins += [(part[at], row) for at, row in again.given.items()]
    return len(joins), sum(drawn.is_anothers(row, position) for position, row in joins), len(left)
