"""``enrich-person`` and ``enrich-company``: buy one enrichment, and show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cleanlist_async import facts
from cleanlist_async.cli.store.location import StoreLocation
from cleanlist_async.cli.terminal.asking import Consent, agree_to_spend
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, end
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    CompanyName,
    Domain,
    FirstName,
    LastName,
    NoWait,
    PersonKind,
    StoreOption,
    TimeoutS,
)
from cleanlist_async.cli.terminal.progress import Waited, wait_for
from cleanlist_async.cli.terminal.render import (
    Cell,
    clean,
    dumped,
    number,
    open_console,
    print_fields,
    print_json,
)
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.facts import WAIT_TIMEOUT_S, PersonType

if TYPE_CHECKING:
    from cleanlist_async.api.models.enrichment import PersonEnrichment, WorkflowStatus
    from cleanlist_async.client import AsyncCleanlist

COMPANY_CREDITS = 1
"""Flat, whatever is found (docs.cleanlist.ai/openapi-public-v2.json)."""


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a person."""

    email: Annotated[str | None, typer.Option(help="Sufficient on its own.")] = None
    linkedin_url: Annotated[str | None, typer.Option(help="Sufficient on its own, and matches best.")] = None
    first_name: FirstName = None
    last_name: LastName = None
    company_name: CompanyName = None
    domain: Domain = None
    phone: Annotated[str | None, typer.Option(help="Only a hint.")] = None
    person_id: Annotated[str | None, typer.Option(help="Id of a person that a search found.")] = None


@dataclass(frozen=True, slots=True)
class Company:
    """What is known of a company."""

    domain: Annotated[str | None, typer.Option(help="Matches best.")] = None
    company_name: Annotated[str | None, typer.Option(help="If the domain is not known.")] = None
    company_ticker: Annotated[str | None, typer.Option(help="Stock ticker symbol.")] = None
    company_id: Annotated[str | None, typer.Option(help="Id of a company that a search found.")] = None


def enrich_person(
    *,
    list_id: Annotated[
        str | None, typer.Option("--list", metavar="ID", help="List to add the person to.")
    ] = None,
    create_list: Annotated[
        str | None,
        typer.Option("--create-list", metavar="NAME", help="Add the person to your list of this name."),
    ] = None,
    person: Person,
    enrichment_type: PersonKind = "partial",
    consent: Consent,
    no_wait: NoWait = False,
    timeout_s: TimeoutS = WAIT_TIMEOUT_S,
    store: StoreOption = None,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Enrich one person into a list.

    The type partial costs 1 credit, phone_only 10, full 11; a miss is free.
    """
    from cleanlist_async.api.request_models import EnrichPerson

    if (list_id is None) == (create_list is None):
        raise CommandError("a person goes into a list: pass --list ID or --create-list NAME.", ExitCode.USAGE)
    if enrichment_type not in facts.PERSON_TYPES:
        raise CommandError(f"--type must be one of {', '.join(facts.PERSON_TYPES)}.", ExitCode.USAGE)
    kind: PersonType = enrichment_type
    # Too little about a person is reported here, before a yes is asked for and a list is created.
    EnrichPerson.checked(lead_list_id="checked before anything is sent", **asdict(person))
    connection.open()  # a missing key is reported before anybody is asked for a yes
    agree_to_spend("Enriching this person", facts.WORST_CASE_CREDITS[kind], consent)
    console, wait_s = open_console(), None if no_wait else timeout_s

    async def buy(
        client: AsyncCleanlist, signals: StopSignals
    ) -> tuple[PersonEnrichment, Waited[WorkflowStatus]]:
        # Created only now, after the yes: a refusal leaves no empty list behind.
        into = list_id or (await client.lead_lists.create_list(create_list or "")).list_id
        begun = await client.enrichment.enrich_person(into, **asdict(person), enrichment_type=kind)
        # The answer does not always name the list, which the user needs to find the person again.
        begun = begun.model_copy(update={"lead_list_id": begun.lead_list_id or into})
        return begun, await wait_for(
            console,
            signals,
            wait_s,
            lambda left_s, show: client.enrichment.wait(begun.workflow_id, timeout_s=left_s, progress=show),
            lambda status: f"{clean(status.status)}, {status.progress or 0} %",
        )

    begun, waited = connection.run(console, buy, StoreLocation(store).open())
    if as_json:
        status = None if waited.answer is None else dumped(waited.answer)
        # Apart from the status: a workflow that has completed may have found nothing.
        found = waited.answer.found if waited.answer else None
        stop = waited.as_json()
        print_json({"started": dumped(begun), "found": found, "status": status, "stopped_by": stop})
    elif waited.answer is not None:  # the wait may have ended before the workflow
        print_fields(_result(waited.answer))
    else:
        print_fields([("enrichment", begun.workflow_id), ("list", begun.lead_list_id)])
    waited.report(
        console,
        "The server continues; the result will appear in the list:"
        f" cleanlist-async list show {clean(begun.lead_list_id)}{connection.as_typed()}",
    )
    end(waited.exit_code)


def enrich_company(
    *,
    company: Company,
    consent: Consent,
    store: StoreOption = None,
    as_json: AsJSON = False,
    connection: Connection,
) -> None:
    """Look up one company by domain, name, ticker or id. Costs 1 credit."""
    from cleanlist_async.api.request_models import EnrichCompany

    EnrichCompany.checked(**asdict(company))
    connection.open()  # a missing key is reported before anybody is asked for a yes
    agree_to_spend("Looking up this company", COMPANY_CREDITS, consent)
    done = connection.ask(
        open_console(),
        lambda client: client.enrichment.enrich_company(**asdict(company)),
        StoreLocation(store).open(),
    )
    if as_json:
        print_json(dumped(done))
        return
    found = done.company
    print_fields(
        [
            ("name", found.name),
            ("id", found.company_id),
            ("domain", found.domain),
            ("industry", ", ".join(found.industries or ()) or found.industry),
            ("employees", found.employee_count_range or found.employee_count),
            ("revenue", found.revenue_range),
            ("headquarters", found.hq_location),
            ("funding", " ".join(filter(None, (found.funding_stage, number(found.total_funding_usd))))),
            ("technologies", ", ".join(found.tech_stack or ())),
            ("LinkedIn", found.linkedin_url),
            ("credits", done.credits_charged),
        ]
    )


def _result(status: WorkflowStatus) -> Iterator[tuple[str, Cell]]:
    yield "result", "found" if status.found else "nothing found"
    if (person := status.result) is not None:
        checked = person.email_status and f"({person.email_status})"
        yield "name", person.full_name or " ".join(filter(None, (person.first_name, person.last_name)))
        yield "e-mail", " ".join(filter(None, (person.email, checked)))
        yield "phone", person.phone
        yield "title", person.title
        yield "company", person.company
        yield "LinkedIn", person.linkedin_url
        yield "lead", person.lead_id
    yield "list", status.lead_list_id
    yield "credits", status.credits_charged
    yield "refund", status.refund_message
