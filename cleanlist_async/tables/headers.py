"""Column headers: their comparison, unique names, and the contact field that each is known to mean. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

_PERSON_WORDS: Final = frozenset(
    {
        "person",
        "people",
        "contact",
        "lead",
        "prospect",
        "candidate",
        "member",
        "profile",
        "properties",
    }
)
"""Words before a header that do not change its meaning: ``Contact First Name`` is ``First Name``."""

FULL_NAME: Final = "full_name"
"""Not a field of a contact: a column to be split into first and last name."""

_KNOWN: Final[Mapping[str, str]] = {
    # Best first. Sources: exports of HubSpot, Salesforce, Apollo, LinkedIn and Google contacts, of the usual
    # Sales Navigator exporters (PhantomBuster, Evaboot, Wiza and others), and of Cleanlist itself.
    "linkedin_url": """
        linkedinurl, personlinkedinurl, linkedinprofileurl, linkedinprofile, linkedinmemberprofileurl,
        linkedinpublicprofileurl, linkedinpublicurl, publiclinkedinurl, personallinkedinurl, personallinkedin,
        defaultprofileurl, linkedin, linkedinlink, linkedinprofilelink, linkedinaddress, linkedinmember,
        linkedinpage, linkedinc, hslinkedinurl, linkedinbio, linkedinhandle, liurl, liprofile, liprofileurl,
        lienlinkedin, profillinkedin, urllinkedin, linkedinprofil, perfillinkedin,
        profilolinkedin, enlacelinkedin
    """,
    "email": """
        email, emailaddress, workemail, businessemail, professionalemail, corporateemail, companyemail,
        primaryemail, email1, emailaddress1, emailaddresses, mail, emails, email1value, workemailaddress,
        emailadresse, mailadresse, geschaftlicheemail, adresseemail, adressemail, courriel, mailprofessionnel,
        emailprofessionnel, correo, correoelectronico, emaildetrabajo, indirizzoemail, postaelettronica,
        enderecodeemail, emailadres, epost, epostadress, personalemail
    """,
    "first_name": """
        firstname, givenname, forename, fname, first, vorname, prenom, primernombre, nombredepila, nombres,
        primeironome, nomeproprio, voornaam, fornamn, fornavn, imie
    """,
    "last_name": """
        lastname, surname, familyname, lname, last, nachname, familienname, zuname, nomdefamille, apellido,
        apellidos, primerapellido, cognome, sobrenome, apelido, ultimonome, achternaam, efternamn, etternavn,
        nazwisko, nom
    """,
    "company_name": """
        companyname, company, currentcompany, currentcompanyname, accountname, account, organization,
        organisation, organizationname, organisationname, employer, employername, associatedcompany,
        primarycompany, associatedcompanyname, primaryassociatedcompany, organization1name, companyaccount,
        companynameforemails, cleanedcompanyname, business, businessname, firma, firmenname, unternehmen,
        unternehmensname, arbeitgeber, societe, nomdelasociete, entreprise, nomdelentreprise, raisonsociale,
        empresa, nombredelaempresa, nombredeempresa, nomedaempresa, azienda, nomeazienda, societa,
        ragionesociale, bedrijf, bedrijfsnaam, organisatie, foretag, firmanavn, virksomhed, nazwafirmy
    """,
    "company_domain": """
        companydomain, companydomainname, domain, domainname, companywebsite, companywebsiteurl, website,
        websiteurl, companyurl, companyhomepage, accountwebsite, accountdomain, organizationwebsite,
        organizationdomain, corporatewebsite, homepage, web, webpage, site, websitedomain, companyemaildomain,
        webseite, internetseite, firmenwebseite, internet, siteweb, sitedelentreprise, domaine, sitioweb,
        paginaweb, dominio, sitoweb, sitointernet, website1value, hemsida
    """,
    FULL_NAME: """
        fullname, name, contactname, personname, displayname, leadname, membername, completename,
        vollstandigername, ansprechpartner, nomcomplet, nomprenom, prenomnom, nometprenom, prenometnom,
        nombrecompleto, nombreyapellidos, nombre, nomecompleto, nomeecognome, nome, volledigenaam, naam,
        namn, navn, imieinazwisko
    """,
}
_RANKS: Final[Mapping[str, tuple[str, int]]] = {
    header.strip(): (field, rank)
    for field, headers in _KNOWN.items()
    for rank, header in enumerate(headers.split(","))
}


OWN_WORD: Final = "cleanlist"
"""First word of the columns that an enrichment adds. None of them says whom to look for."""


@lru_cache(maxsize=4096)
def words(header: str) -> tuple[str, ...]:
    """Split a header into its words, without case, accents and punctuation: ``firstName``, ``First name``."""
    # Salesforce appends __c to the names of custom fields.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", header.removesuffix("__c"))
    decomposed = unicodedata.normalize("NFKD", spaced.casefold())
    bare = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    return tuple(re.findall(r"[^\W_]+", bare))


def known_as(header: str) -> tuple[str, int] | None:
    """Return the field that a header is known to mean and its rank (0 is best), or None."""
    parts = words(header)
    if parts[:1] == (OWN_WORD,):
        return None
    whole = _RANKS.get("".join(parts))
    if whole is None and len(parts) > 1 and parts[0] in _PERSON_WORDS:
        return _RANKS.get("".join(parts[1:]))
    return whole


def addressable(headers: Sequence[str]) -> tuple[str, ...]:
    """Give each column a name of its own: ``Email``, ``Email (2)``; a blank one is ``Column 4``."""
    names: list[str] = []
    # A header that the file has keeps its name, even if an earlier one would be renamed to it.
    taken = {header for header in headers if header.strip()}
    seen: set[str] = set()
    for number, header in enumerate(headers, 1):
        name = header if header.strip() else f"Column {number}"
        if name in seen or (name != header and name in taken):
            name = free_name(name, taken | seen)
        seen.add(name)
        names.append(name)
    return tuple(names)


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return *name*, or ``name (2)``, ``name (3)``: the first that is not taken, ignoring letter case."""
    used = {other.strip().casefold() for other in taken}
    candidate, number = name, 1
    while candidate.strip().casefold() in used:
        number += 1
        candidate = f"{name} ({number})"
    return candidate
