"""The commands for one person and one company."""

from __future__ import annotations

from typing import Annotated

import typer

from cleanlist_async.cli.terminal.console import end, open_console
from cleanlist_async.cli.terminal.options import (
    AsJSON,
    BaseURL,
    MaxCredits,
    NoWait,
    PersonKind,
    TimeoutS,
    WindowS,
    Yes,
)
from cleanlist_async.facts import WAIT_TIMEOUT_S

Known = Annotated[str | None, typer.Option()]


def enrich_person(
    *,
    list_id: Annotated[
        str | None, typer.Option("--list", metavar="ID", help="The list that gets the person.")
    ] = None,
    create_list: Annotated[
        str | None, typer.Option("--create-list", metavar="NAME", help="Your list of this name gets it.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Enough by itself.")] = None,
    linkedin_url: Annotated[str | None, typer.Option(help="Enough by itself, and matches best.")] = None,
    first_name: Annotated[str | None, typer.Option(help="With --last-name and a company.")] = None,
    last_name: Known = None,
    company_name: Annotated[str | None, typer.Option(help="Or --domain.")] = None,
    domain: Known = None,
    phone: Annotated[str | None, typer.Option(help="Only a hint.")] = None,
    person_id: Annotated[str | None, typer.Option(help="Id of a person that a search found.")] = None,
    enrichment_type: PersonKind = "partial",
    max_credits: MaxCredits = None,
    yes: Yes = False,
    no_wait: NoWait = False,
    timeout_s: TimeoutS = WAIT_TIMEOUT_S,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Enrich one person into a list: partial costs 1 credit, phone_only 10, full 11, nothing found 0."""
    from cleanlist_async.cli.single import Person, PersonPurchase  # noqa: PLC0415
    from cleanlist_async.cli.terminal.asking import Consent  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    person = Person(
        email=email,
        linkedin_url=linkedin_url,
        phone=phone,
        first_name=first_name,
        last_name=last_name,
        company_name=company_name,
        domain=domain,
        person_id=person_id,
    )
    wanted = PersonPurchase.parse(person, list_id, create_list, enrichment_type, Consent(yes, max_credits))
    wait_s = None if no_wait else timeout_s
    end(wanted.carry_out(open_console(), Connection(base_url, window_s), wait_s, as_json=as_json))


def enrich_company(
    *,
    domain: Annotated[str | None, typer.Option(help="Matches best.")] = None,
    company_name: Annotated[str | None, typer.Option()] = None,
    company_ticker: Annotated[str | None, typer.Option(help="Symbol at a stock exchange.")] = None,
    company_id: Annotated[str | None, typer.Option()] = None,
    max_credits: MaxCredits = None,
    yes: Yes = False,
    as_json: AsJSON = False,
    base_url: BaseURL = None,
    window_s: WindowS = None,
) -> None:
    """Look up one company by any of these. Costs 1 credit."""
    from cleanlist_async.cli.single import Company, enrich_company  # noqa: PLC0415
    from cleanlist_async.cli.terminal.asking import Consent  # noqa: PLC0415
    from cleanlist_async.cli.terminal.connection import Connection  # noqa: PLC0415

    company = Company(
        domain=domain, company_name=company_name, company_ticker=company_ticker, company_id=company_id
    )
    consent, connection = Consent(yes, max_credits), Connection(base_url, window_s)
    enrich_company(open_console(), connection, company, consent, as_json=as_json)
