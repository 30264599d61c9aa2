"""Ask the real API what its documentation leaves open: ``python -m tests.live``.

First the server's OpenAPI document is compared with tests/surface, which needs no key. Then, after a yes,
invented people are sent, at a cost of at most ``--max-credits`` credits. ``-o`` writes the answers to a file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import typer
from rich.console import Console

from cleanlist_async.cli.doctor.evidence import WatchedCleanlist, as_table
from cleanlist_async.cli.doctor.examination import Examination, examine
from cleanlist_async.cli.terminal.asking import Consent, confirm
from cleanlist_async.cli.terminal.connection import Connection
from cleanlist_async.cli.terminal.exits import CommandError, ExitCode, report
from cleanlist_async.cli.terminal.progress import warnings_shown
from cleanlist_async.cli.terminal.render import (
    clean,
    number,
    open_console,
    plural,
    print_grid,
    print_json,
    say,
)
from cleanlist_async.cli.terminal.signals import StopSignals
from cleanlist_async.errors import APIError, AuthenticationError, CleanlistError, RateLimitError
from cleanlist_async.facts import BASE_URL_VARIABLE, DEFAULT_BASE_URL
from cleanlist_async.http.credentials import find_credentials
from tests.live import modern_questions, openapi, public_questions, wire_questions
from tests.live.answers import Study, check_target, plan_table, write
from tests.live.cleaning import Cleaned, clean_up
from tests.live.question import Answer, Question
from tests.live.session import DOMAIN, LiveSession, UnsettledError
from tests.live.shapes import member, texts, word

MAX_CREDITS = 20.0
"""What may be spent where ``--max-credits`` is not given, in credits."""
_LONGEST_LINE = 160
_NEEDED = ("connection", "key good")
_FOR_CLEANING = frozenset({"lists:read", "lists:write"})


@dataclass(frozen=True, slots=True)
class Live:
    """The options, as they were typed."""

    connection: Connection
    consent: Consent
    output: str | None
    overwrite: bool
    as_json: bool

    @property
    def max_credits(self) -> float:
        """What may be spent, in credits."""
        return MAX_CREDITS if self.consent.max_credits is None else self.consent.max_credits

    def carry_out(self, console: Console) -> ExitCode:
        """Compare the OpenAPI document, check the key, ask for a yes, then ask the questions."""
        check_target(self.output, overwrite=self.overwrite)
        drift = anyio.run(openapi.look, self._base_url)
        for line in drift.lines():
            say(console, clean(line, _LONGEST_LINE))
        with warnings_shown(console):
            examined = examine(self.connection)
            if not self.as_json:
                print_grid(as_table(examined.findings))
            _check_usable(examined)
            questions = self._questions()
            self._propose(console, examined, questions)
            with StopSignals(lambda: say(console, "Stopping; cleaning up first.")) as signals:
                study = anyio.run(self._study, console, questions, signals)
        return self._report(console, examined, study, drift, signals)

    @property
    def _base_url(self) -> str:
        return self.connection.base_url or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL

    def _questions(self) -> list[Question]:
        secret = find_credentials(None, os.environ)[0]
        return [
            wire_questions.key_form(secret),
            *public_questions.QUESTIONS,
            *modern_questions.QUESTIONS,
            *wire_questions.QUESTIONS,
        ]

    def _propose(self, console: Console, examined: Examination, questions: Sequence[Question]) -> None:
        """Say what will be sent, created and spent, and get a yes. Raises CommandError without one."""
        console.print(plan_table(questions))
        worst = min(sum(question.credits for question in questions), self.max_credits)
        lines = [
            f"All people are invented, at {DOMAIN}, which cannot exist. One list is made.",
            "At the end the list is deleted, and people are taken off all others; as leads they live on.",
            "It takes about 50 requests, two minutes at the API's limit.",
            f"It can cost {number(worst)} credits at most; if nothing is found, as it should be, none.",
        ]
        if lacking := sorted(_FOR_CLEANING - _granted(examined)):
            lines.append(
                f"Without {' and '.join(lacking)}, four people will stay on the list of bulk results."
            )
        for line in lines:
            say(console, line)
        if not self.consent.yes and (self.consent.max_credits is None or sys.stdin.isatty()):
            confirm(
                "Continue?",
                risk="this sends invented people",
                refusal="no question was sent.",
                options="--yes, or --max-credits with a limit",
            )

    async def _study(self, console: Console, questions: Sequence[Question], signals: StopSignals) -> Study:
        key = find_credentials(None, os.environ)[0].reveal()
        async with WatchedCleanlist(key, self.connection) as client:
            session = LiveSession(client, self.max_credits, self.connection.limits.window_s)
            before = await _balance(client)
            answers: list[Answer] = []
            scope = anyio.CancelScope()
            with signals.stopping(scope), scope:
                await _ask_all(console, session, questions, answers)
            unasked = questions[len(answers) :]
            answers += [Answer(question, why_not="stopped before it was settled") for question in unasked]
            cleaned = await clean_up(session) if session.touched else Cleaned()
            after = await _balance(client)
            return Study(
                answers,
                cleaned,
                client.base_url,
                self.max_credits,
                session.held,
                None if before is None or after is None else max(0, before - after),
                len(client.seen),
                client.statistics().rejected_429,
                stopped=bool(signals.received),
            )

    def _report(
        self,
        console: Console,
        examined: Examination,
        study: Study,
        drift: openapi.Drift,
        signals: StopSignals,
    ) -> ExitCode:
        found = {**study.as_json(), "openapi": drift.as_json()}
        if self.as_json:
            print_json({**examined.as_json(), "live": found})
        else:
            print_grid(study.as_table())
        if self.output:
            write(self.output, found)
        spent = "an unknown number of" if study.balance_fell_by is None else number(study.balance_fell_by)
        say(console, f"{plural(study.requests, 'request')}, {spent} credits spent.")
        for thing in study.cleaned.left:
            say(console, f"note: not cleaned up: {thing}")
        if self.output:
            say(console, f"Written: {self.output}")
        return signals.exit_code if signals.received else examined.exit_code


async def _ask_all(
    console: Console, session: LiveSession, questions: Sequence[Question], answers: list[Answer]
) -> None:
    """Ask one question after the other. None is asked after one that shows that all would fail."""
    blocked = ""
    for number_, question in enumerate(questions, 1):
        if blocked and not question.sends.startswith("nothing"):
            answers.append(Answer(question, why_not=blocked))
            continue
        if console.is_terminal:
            say(console, f"{number_}/{len(questions)} {question.text}")
        try:
            session.hold(question.credits)
            answers.append(Answer(question, await question.ask(session)))
        except (AuthenticationError, RateLimitError) as error:
            blocked = _why(error)
            answers.append(Answer(question, why_not=blocked))
        except Exception as error:  # noqa: BLE001 - odd answers must not end the study
            answers.append(Answer(question, why_not=_why(error)))


def _why(error: Exception) -> str:
    """Return why, without a word of the server's prose: it may repeat what was sent."""
    if isinstance(error, UnsettledError):
        return str(error)
    if isinstance(error, APIError):
        return f"{type(error).__name__} ({error.status} {word(error.code)})"
    return type(error).__name__


async def _balance(client: WatchedCleanlist) -> float | None:
    try:
        return (await client.public.credits_balance()).credits
    except CleanlistError:
        return None


def _check_usable(examined: Examination) -> None:
    """Raise CommandError where nothing could be asked."""
    by_name = {finding.name: finding for finding in examined.findings}
    for name in _NEEDED:
        finding = by_name.get(name)
        if finding is None or finding.status == "problem":
            raise CommandError(f"nothing was asked: {finding.detail if finding else name}", ExitCode.REFUSED)
    if by_name["key"].status == "problem":
        raise CommandError("nothing was asked: there is no usable key.", ExitCode.USAGE)


def _granted(examined: Examination) -> set[str]:
    found = [finding.data for finding in examined.findings if finding.name == "scopes"]
    return {scope for data in found for scope in texts(member(data, "granted"))}


def main(arguments: Sequence[str]) -> int:
    """Run with these arguments of the command line, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.live", description=__doc__)
    parser.add_argument(
        "--max-credits", type=float, help=f"credits to spend at most; default {MAX_CREDITS:g}"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask before anything is sent")
    parser.add_argument("-o", "--output", metavar="OUT", help="JSON file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("--base-url", help="address of the API, for a sandbox")
    parser.add_argument("--window-s", type=float, help="seconds of the rate limit's window, for a sandbox")
    typed = parser.parse_args(arguments)
    connection = Connection(typed.base_url, typed.window_s, max_retries=0)
    live = Live(connection, Consent(typed.max_credits, typed.yes), typed.output, typed.overwrite, typed.json)
    try:
        return live.carry_out(open_console())
    except (CommandError, CleanlistError, KeyboardInterrupt, typer.Abort) as error:
        return report(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
