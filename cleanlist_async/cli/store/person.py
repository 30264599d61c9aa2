"""Whom the command ``store forget`` is about, as typed or in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cleanlist_async.cli.terminal.exits import CommandError, ExitCode

if TYPE_CHECKING:
    from cleanlist_async.cli.enrich.inputs import TableOptions
    from cleanlist_async.contacts.contact import Contact

OUT_OF_REACH: Final = (
    "Not deleted, as the store does not have them: journals (job purge), files that were written, logs,"
    " backups, and what Cleanlist itself keeps."
)


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """A person, by what is known of them."""

    email: Annotated[
        str | None, typer.Option("--email", metavar="ADDRESS", help="E-mail address of the person.")
    ] = None
    linkedin: Annotated[
        str | None,
        typer.Option("--linkedin", "--linkedin-url", metavar="URL", help="LinkedIn profile of the person."),
    ] = None
    first_name: Annotated[str | None, typer.Option(help="Needs --last-name and a company.")] = None
    last_name: Annotated[str | None, typer.Option(help="Needs --first-name and a company.")] = None
    company_name: Annotated[str | None, typer.Option(help="Or pass --domain.")] = None
    domain: Annotated[str | None, typer.Option(help="Or pass --company-name.")] = None

    def people(self, source: str | None, table: TableOptions) -> list[Contact]:
        """Return whom the command is about: this person, or those of a file.

        Raises CommandError for nobody, and for what may be several people.
        """
        from cleanlist_async.contacts.contact import Contact

        if (source is None) == (self == NamedPerson()):
            raise CommandError(
                "name one person, such as --email ADDRESS, or else a file of people.", ExitCode.USAGE
            )
        if source is not None:
            rows = [(row.contact, f"row {row.number}: ") for row in table.open(source).rows()]
        else:
            person = Contact(
                linkedin_url=self.linkedin,
                first_name=self.first_name,
                last_name=self.last_name,
                company_name=self.company_name,
                company_domain=self.domain,
                email=self.email,
            )
            rows = [(person, "")]
        return [_checked(contact, where) for contact, where in rows]


def _checked(contact: Contact, where: str) -> Contact:
    from cleanlist_async.errors import ConfigurationError
    from cleanlist_async.storage.store.person import Person

    try:
        Person.of(contact)
    except ConfigurationError as error:
        raise CommandError(f"{where}{error.problem} Nothing was deleted.", ExitCode.USAGE) from error
    return contact
