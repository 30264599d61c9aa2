"""Random workflows: people with namesakes, what contacts give of them, and what a server says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from cleanlist_async import AsyncCleanlist, Contact, EnrichmentResult
from cleanlist_async.api.models.rows import EnrichmentRow
from cleanlist_async.enrich.matching import Match, ids_before_the_end
from cleanlist_async.testing import ServerRequest, ServerResponse
from tests.support.clients import respond, virtually

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
    shouting: float = 0.2
    """Namesakes at one employer who differ in letter case only."""
    exchanged: float = 0.1
    """Workflows with ids in order but for two, whose people have different names."""
    spelled: float = 0.3
    """Profiles that spell the name."""
    renamed: float = 0.05
    member_ids: float = 0.05
    """Contacts, and rows, that have an ``ACoAA...`` id for a profile; ids differ in letter case only."""
    moved: float = 0.05
    nicknames: float = 0.05
    halves: float = 0.0
    """Contacts given by profile that have half a name besides: only the first, or only the last."""
    silent: float = 0.1
    """Things that a row leaves out though others have them."""
    missing: float = 0.05


NO_NAMESAKES = Population()
FEW_NAMESAKES = Population(namesakes=0.03, halves=0.2)
DENSE_NAMESAKES = Population(last_names=3, employers=20, namesakes=0.3, halves=0.2, missing=0.15)


@dataclass(frozen=True)
class Person:
    """`number` is nobody else's."""

    number: int
    first: str
    last: str
    employer: str
    is_spelled: bool

    @property
    def profile(self) -> str:
        return f"{self.first}-{self.last}-{self.number}".lower() if self.is_spelled else f"p{self.number}"

    @property
    def member_id(self) -> str:
        return "ACoAA" + "".join("xX"[int(bit)] for bit in f"{self.number:b}")


@dataclass
class Workflow:
    """`rows` carry the position of their contact as a phone number; `late` come after the others."""

    contacts: list[Contact]
    ids: list[str | None]
    rows: list[EnrichmentRow]
    late: list[EnrichmentRow]

    def is_anothers(self, row: EnrichmentRow, position: int) -> bool:
        """Whether a row is another's; contacts that are the same word for word are one person."""
        return self.contacts[int(row.phones[0])] != self.contacts[position]


def has_name(contact: Contact) -> bool:
    """Whether a contact gives a whole name."""
    return bool(contact.first_name and contact.last_name)


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
    ids = _ids(rng, population, people, contacts)
    if rng.random() < 0.5:
        rng.shuffle(rows)
    missing = population.missing if rng.random() < 0.5 else 0.0
    there, late = [], []
    for row in rows:
        (late if rng.random() < missing else there).append(row)
    return Workflow(contacts, ids, there, late)


def _ids(
    rng: Random, population: Population, people: list[Person], contacts: list[Contact]
) -> list[str | None]:
    """Return ids in order, shuffled, in order but for two, or none."""
    tasks, dice = list(range(len(people))), rng.random()
    if dice < 0.4:
        rng.shuffle(tasks)
    elif rng.random() < population.exchanged:
        # Of contacts without a name, and of namesakes, nothing may show it: see the module `evidence`.
        names = {(people[task].first, people[task].last): task for task in tasks if has_name(contacts[task])}
        if len(names) > 1:
            one, other = rng.sample(sorted(names.values()), 2)
            tasks[one], tasks[other] = other, one
    return [None if dice > 0.8 else f"t{task}" for task in tasks]


def _people(rng: Random, population: Population, count: int) -> list[Person]:
    """Draw people of different names, and namesakes of theirs."""
    people: list[Person] = []
    names: set[tuple[str, str]] = set()
    while len(people) < count:
        number, is_spelled = rng.randrange(10**9), rng.random() < population.spelled
        employer = f"company{rng.randrange(population.employers)}.example"
        if people and rng.random() < population.namesakes:
            like = rng.choice(people)
            is_colleague = rng.random() < 0.5
            first = like.first.upper() if is_colleague and rng.random() < population.shouting else like.first
            employer = like.employer if is_colleague else employer
            people.append(Person(number, first, like.last, employer, is_spelled))
            continue
        name = (rng.choice(FIRST), f"Last{_letters(rng.randrange(population.last_names))}")
        if name not in names or len(names) >= len(FIRST) * population.last_names:
            names.add(name)
            people.append(Person(number, *name, employer, is_spelled))
    return people


def _letters(number: int) -> str:
    return "".join(SYLLABLES[int(digit)] for digit in str(number))


def _contact(rng: Random, population: Population, person: Person, style: str) -> Contact:
    first = SHORT.get(person.first, person.first) if rng.random() < population.nicknames else person.first
    slug = person.member_id if rng.random() < population.member_ids else person.profile
    profile = f"https://www.linkedin.com/in/{slug}"
    named = Contact(first_name=first, last_name=person.last, company_domain=person.employer)
    kind = rng.random()
    if style == "names" or (style == "mixed" and kind < 0.4):
        return named
    if kind >= 0.7:
        return replace(named, linkedin_url=profile)
    if population.halves and rng.random() < population.halves:
        half = {"first_name": first} if rng.random() < 0.5 else {"last_name": person.last}
        return Contact(linkedin_url=profile, **half)
    return Contact(linkedin_url=profile)


def _row(
    rng: Random, population: Population, task: int, person: Person, contact: Contact, says: set[str]
) -> EnrichmentRow:
    shown = {thing for thing in sorted(says) if rng.random() >= population.silent}
    address = f"{person.first}.{person.last}@{person.employer}".lower()
    said: dict[str, object] = {
        "task_id": f"t{task}",
        "status": "completed",
        "email": address,
        "phones": [str(task)],
    }
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
    return person.member_id if dice < population.renamed + population.member_ids else person.profile


def joined(drawn: Workflow) -> tuple[int, int, int]:
    """Join a workflow's rows, then, as `collect` does, those of the contacts that are left.

    Do the latter also as if nobody had waited for the workflow's end. Return the number of joins, of wrong
    ones among them, and of contacts that are left without a row.
    """
    whole = Match(drawn.contacts, drawn.ids, drawn.rows, whole=True)
    left = [position for position in range(len(drawn.contacts)) if position not in whole.given]
    joins = [(position, row) for position, row in whole.given.items()]
    if left and drawn.late:
        for part in (left, left[-1:]):
            joins += _collected(drawn, part, whole.trusted_ids, drawn.rows + drawn.late)
    if all(map(has_name, drawn.contacts)):  # else see what remains, in `evidence`
        early = ids_before_the_end(drawn.contacts, drawn.ids)
        for part in (list(range(len(drawn.contacts))), left[:1]):
            joins += _collected(drawn, part, early, drawn.rows)
    return len(joins), sum(drawn.is_anothers(row, position) for position, row in joins), len(left)


def joined_by_a_client(drawn: Workflow) -> tuple[int, int]:
    """Do the same through a client's `enrich` and `collect`, and return the joins and the wrong ones."""
    rows = [row.raw for row in drawn.rows]

    def server(request: ServerRequest, _number: int) -> ServerResponse:
        if request.method == "POST":
            ids = [id_ for id_ in drawn.ids if id_ is not None]
            return respond({"workflow_id": "wf_1", "task_ids": ids, "status": "processing"})
        if "task_id=" in request.target:
            return respond({"status": "processing"})
        return respond({"workflow_id": "wf_1", "status": "completed", "results": rows})

    async def main(client: AsyncCleanlist) -> list[EnrichmentResult]:
        report = await client.enrich(drawn.contacts, dedupe="off")
        rows.extend(row.raw for row in drawn.late)
        later = await client.collect(report.pending)
        alone = await client.collect(report.pending[-1:])
        return [*report.results, *later.results, *alone.results]

    joins = [
        (result.index, EnrichmentRow(result.raw))
        for result in virtually(main, server)
        if result.status == "found" and result.raw
    ]
    return len(joins), sum(drawn.is_anothers(row, position) for position, row in joins)


def _collected(
    drawn: Workflow, part: list[int], ids: Sequence[str | None], rows: list[EnrichmentRow]
) -> list[tuple[int, EnrichmentRow]]:
    contacts = [drawn.contacts[position] for position in part]
    match = Match(contacts, [ids[position] for position in part], rows, whole=False)
    return [(part[at], row) for at, row in match.given.items()]
