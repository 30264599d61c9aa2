"""``enrich-person`` and ``enrich-company``: one of each, bought and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import anyio
from rich.console import Console

from cleanlist_async import facts
from cleanlist_async.api.models.enrichment import PersonEnrichment, WorkflowStatus
from cleanlist_async.api.request_models import EnrichCompany, EnrichPerson
from cleanlist_async.cli.terminal.asking import Consent, agree_to_spend
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode
from cleanlist_async.cli.terminal.output import as_json as dumped
from cleanlist_async.cli.terminal.output import number, print_fields, print_json
from cleanlist_async.cli.terminal.progress import warnings_shown
from cleanlist_async.cli.terminal.render import clean, say
from cleanlist_async.cli.terminal.stopping import StopSignals
from cleanlist_async.cli.terminal.waiting import Waited, wait_for
from cleanlist_async.client import AsyncCleanlist
from cleanlist_async.facts import PersonType

COMPANY_CREDITS = 1
"""Flat, whatever is found (docs.cleanlist.ai/openapi-public-v2.json)."""


class Person(TypedDict):
    """What is known of a person."""

    email: str | None
    linkedin_url: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    company_name: str | None
    domain: str | None
    person_id: str | None


class Company(TypedDict):
    """What is known of a company."""

    domain: str | None
    company_name: str | None
    company_ticker: str | None
    company_id: str | None


@dataclass(frozen=True, slots=True)
class PersonPurchase:
    """The command ``enrich-person``, as it was typed."""

    person: Person
    list_id: str | None
    create_list: str | None
    enrichment_type: PersonType
    consent: Consent

    @classmethod
    def parse(
        cls, person: Person, list_id: str | None, create_list: str | None, kind: str, consent: Consent
    ) -> PersonPurchase:
        """Take it as it was typed. Raises CommandError, RequestValidationError for too little of a person."""
        if (list_id is None) == (create_list is None):
            raise CommandError(
                "a person goes into a list: pass --list ID or --create-list NAME.", ExitCode.USAGE
            )
        if kind not in facts.PERSON_TYPES:
            raise CommandError(f"--type is one of {', '.join(facts.PERSON_TYPES)}.", ExitCode.USAGE)
        EnrichPerson.checked(lead_list_id="checked before anything is sent", **person)
        return cls(person, list_id, create_list, kind, consent)

    def carry_out(
        self, console: Console, connection: Connection, wait_s: float | None, *, as_json: bool
    ) -> ExitCode:
        """Ask, buy, wait, show."""
        connection.open()  # a missing key is told before anybody is asked for a yes
        price = facts.WORST_CASE_CREDITS[self.enrichment_type]
        agree_to_spend("Enriching this person", price, self.consent)
        with warnings_shown(console), StopSignals(lambda: say(console, "Stopping.")) as signals:
            begun, waited = anyio.run(self._buy, console, connection, wait_s, signals)
        if as_json:
            status = None if waited.answer is None else dumped(waited.answer)
            found = waited.answer.found if waited.answer else None
            print_json(
                {
                    "started": dumped(begun),
                    "found": found,
                    "status": status,
                    "stopped_by": waited.as_json(),
                }
            )
        elif waited.answer is not None:
            print_fields(_result(waited.answer))
        else:
            print_fields([("enrichment", begun.workflow_id), ("list", begun.lead_list_id)])
        waited.tell(
            console,
            "It goes on by itself; what it finds will be in the list:"
            f" cleanlist-async list show {clean(begun.lead_list_id)}",
        )
        return waited.exit_code

    async def _buy(
        self, console: Console, connection: Connection, wait_s: float | None, signals: StopSignals
    ) -> tuple[PersonEnrichment, Waited[WorkflowStatus]]:
        async with connection.open() as client:
            list_id = self.list_id or await self._new_list(client)
            begun = await client.enrichment.enrich_person(
                list_id, **self.person, enrichment_type=self.enrichment_type
            )
            begun = begun.model_copy(update={"lead_list_id": begun.lead_list_id or list_id})
            if wait_s is None:
                return begun, Waited()
            return begun, await wait_for(
                console,
                signals,
                lambda tell: client.enrichment.wait(begun.workflow_id, timeout_s=wait_s, progress=tell),
                lambda status: f"{clean(status.status)}, {status.progress or 0} %",
            )

    async def _new_list(self, client: AsyncCleanlist) -> str:
        return (await client.lead_lists.create_list(self.create_list or "")).list_id


def enrich_company(
    console: Console, connection: Connection, company: Company, consent: Consent, *, as_json: bool
) -> None:
    """Ask, buy, show."""
    EnrichCompany.checked(**company)
    connection.open()
    agree_to_spend("Looking up this company", COMPANY_CREDITS, consent)
    done = connection.ask(console, lambda client: client.enrichment.enrich_company(**company))
    if as_json:
        print_json(dumped(done))
        return
    found = done.company
    print_fields(
        [
            ("name", found.name or ""),
            ("id", found.company_id or ""),
            ("domain", found.domain or ""),
            ("industry", ", ".join(found.industries or ()) or found.industry or ""),
            ("employees", found.employee_count_range or number(found.employee_count)),
            ("revenue", found.revenue_range or ""),
            ("headquarters", found.hq_location or ""),
            ("funding", " ".join(filter(None, (found.funding_stage, number(found.total_funding_usd))))),
            ("technologies", ", ".join(found.tech_stack or ())),
            ("LinkedIn", found.linkedin_url or ""),
            ("credits", number(done.credits_charged)),
        ]
    )


def _result(status: WorkflowStatus) -> list[tuple[str, str]]:
    person = status.result
    fields = [("result", "found" if status.found else "nothing found")]
    if person is not None:
        name = person.full_name or " ".join(filter(None, (person.first_name, person.last_name)))
        fields += [
            ("name", name),
            (
                "e-mail",
                " ".join(filter(None, (person.email, person.email_status and f"({person.email_status})"))),
            ),
            ("phone", person.phone or ""),
            ("title", person.title or ""),
            ("company", person.company or ""),
            ("LinkedIn", person.linkedin_url or ""),
            ("lead", person.lead_id),
        ]
    return [
        *fields,
        ("list", status.lead_list_id or ""),
        ("credits", number(status.credits_charged)),
        ("refund", status.refund_message or ""),
    ]
