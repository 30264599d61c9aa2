from __future__ import annotations

import pytest

from cleanlist_async.cli.terminal.wording import at_the_command_line


@pytest.mark.parametrize(
    ("library", "command_line"),
    [
        ("Set CLEANLIST_API_KEY, or pass api_key=. Create a key", "Set CLEANLIST_API_KEY. Create a key"),
        ("only with adopt=True (--adopt), after a look", "only with --adopt, after a look"),
        ("open it with adopt=True (--adopt at the command line).", "open it with --adopt."),
        ("client.budget.set() changes it.", "cleanlist-async budget set changes it."),
        ("client.budget.resume() lets it go on.", "cleanlist-async budget resume lets it go on."),
        ("client.collect([error.pending]) fetches it", "cleanlist-async collect fetches it"),
        ("See Store.orphans().", "See cleanlist-async store show."),
        ("submit_mode='tracked' needs a webhook", "--submit-mode tracked needs a webhook"),
        ("max_credits = 7 does not cover another", "--max-credits 7 does not cover another"),
        ("Give the secret it was made with: secret=, or $X.", "Give the secret it was made with: $X."),
        (
            "No answer from api.example: ConnectError: [Errno -2] Name or service not known.",
            "No answer from api.example: Name or service not known.",
        ),
        ("row 3: max_creditsx and my_base_url stay", "row 3: max_creditsx and my_base_url stay"),
    ],
)
def test_what_the_library_says_is_said_in_the_words_of_the_command_line(library, command_line):
    assert at_the_command_line(library) == command_line
