import pytest

from cleanlist_async.cli.terminal.wording import at_the_command_line, in_words, typed


@pytest.mark.parametrize(
    ("library", "command_line"),
    [
        ("Set CLEANLIST_API_KEY, or pass api_key=. Create a key", "Set CLEANLIST_API_KEY. Create a key"),
        ("only with adopt=True (--adopt), after a look", "only with --adopt, after a look"),
        ("open it with adopt=True (--adopt at the command line).", "open it with --adopt."),
        ("client.budget.set() changes it.", "cleanlist-async budget set changes it."),
        ("client.budget.resume() lets it go on.", "cleanlist-async budget resume lets it go on."),
        ("client.collect([error.pending]) fetches it", "the command collect fetches it"),
        ("may have bought it: see Store.resolve", "may have bought it: see cleanlist-async store show"),
        ("See Store.orphans().", "See cleanlist-async store show."),
        ("submit_mode='tracked' needs a webhook", "--submit-mode tracked needs a webhook"),
        ("max_credits = 7 does not cover another", "--max-credits 7 does not cover another"),
        ("Give the secret it was made with: secret=, or $X.", "Give the secret it was made with: $X."),
        (
            "No answer from api.example: ConnectError: [Errno -2] Name or service not known.",
            "No answer from api.example: Name or service not known.",
        ),
        ("enrich stopped by BudgetExceededError after 3 s", "enrich stopped early after 3 s"),
        ("row 3: max_creditsx and my_base_url stay", "row 3: max_creditsx and my_base_url stay"),
    ],
)
def test_what_the_library_says_is_said_in_the_words_of_the_command_line(library, command_line):
    assert at_the_command_line(library) == command_line


def test_a_command_that_the_library_names_has_the_store_that_was_typed():
    typed.note_store("my store.db")
    try:
        said = at_the_command_line("client.budget.resume() lets it go on.")
        assert said == "cleanlist-async budget resume --store 'my store.db' lets it go on."
        typed.note_store("postgresql://me:secret@db/name")
        assert at_the_command_line("See Store.audit().") == "See cleanlist-async audit --store URL."
    finally:
        typed.begin(None)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "needs (company_domain or company_name), or linkedin_url",
            "needs a company (Firma) or its web address, or a LinkedIn profile",
        ),
        (
            "needs first_name + last_name, or linkedin_url",
            "needs a first name and a last name (Name), or a LinkedIn profile",
        ),
        ("linkedin_url has 9,000 characters", "linkedin_url has 9,000 characters"),
    ],
)
def test_why_a_contact_is_invalid_is_said_with_the_headers_of_its_table(reason, words):
    assert in_words(reason, {"company_name": "Firma", "last_name": "Name"}) == words
