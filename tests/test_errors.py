"""The tree as it is drawn is the tree as it is; every error can be pickled, copied and read."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import subprocess
import sys
from ast import literal_eval
from datetime import UTC, datetime

import pytest

import cleanlist_async
from cleanlist_async import errors
from cleanlist_async.errors import APIError, CleanlistError, FieldError, UnknownOutcomeError
from tests.support.cases import each_case

CLASSES = [
    member
    for _, member in inspect.getmembers(errors, inspect.isclass)
    if issubclass(member, CleanlistError) and member.__module__ == errors.__name__
]


def drawn_tree() -> dict[str, str | None]:
    """Read each class's parent out of the docstring's drawing."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│ ├└─]*)(\w*Error)\b", line):
            depth = len(found[1]) // 4
            del path[depth:]
            parents[found[2]] = path[-1] if path else None
            path.append(found[2])
    return parents


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    real = {
        error.__name__: None if error is CleanlistError else error.__bases__[0].__name__ for error in CLASSES
    }
    assert drawn_tree() == real
    assert len(real) >= 40


def test_every_error_is_a_public_name_of_the_package() -> None:
    for error in CLASSES:
        assert getattr(cleanlist_async, error.__name__) is error
        assert error.__name__ in cleanlist_async.__all__
        assert error.__doc__


def filled(error_class: type[CleanlistError]) -> CleanlistError:
    common = {"fix": "Do this.", "request_id": "req_1", "retryable": True, "billed": "yes"}
    if not issubclass(error_class, APIError):
        error = error_class("Broken.", **common)  # type: ignore[arg-type]
    else:
        error = error_class(
            "Broken.",
            **common,  # type: ignore[arg-type]
            status=499,
            code="odd",
            cause="Because.",
            retry_after_s=1.5,
            docs_url="https://docs",
            details={"a": [1]},
            suggested_actions=["wait"],
            body={"error": {}},
            envelope="error",
            method="GET",
            path="/x",
        )
    for name, value in (("field_errors", (FieldError(("body", 1), "bad", "t", 1),)), ("workflow_id", "w")):
        if hasattr(error, name):
            setattr(error, name, value)
    if isinstance(error, UnknownOutcomeError):
        error.answer = filled(errors.InternalServerError)
    return error


def state(error: BaseException) -> dict[str, object]:
    values = dict(vars(error))
    if isinstance(values.get("answer"), CleanlistError):
        values["answer"] = state(values["answer"])  # type: ignore[arg-type]
    return values


@each_case("error_class", CLASSES)
@each_case("fill", [True, False])
def test_pickle_and_copy_keep_everything(error_class: type[CleanlistError], fill: bool) -> None:  # noqa: FBT001
    error = filled(error_class) if fill else error_class()
    copies = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for twin in (*copies, copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is error_class
        assert state(twin) == state(error)
        assert str(twin) == str(error)
        assert twin.args == error.args
        assert (twin.retryable, twin.billed, twin.safe_to_retry) == (
            error.retryable,
            error.billed,
            error.safe_to_retry,
        )


@each_case("error_class", CLASSES)
def test_every_error_has_the_four_words(error_class: type[CleanlistError]) -> None:
    error = error_class("Broken.")
    assert error.request_id is None
    assert isinstance(error.retryable, bool)
    assert error.billed == ("unknown" if error_class is UnknownOutcomeError else "no")
    assert error.safe_to_retry is (error.billed == "no")


@each_case(
    ("problem", "fix", "request_id", "text"),
    [
        ("Broken.", None, None, "Broken."),
        ("Broken", None, None, "Broken"),
        ("Broken.", "Mend it.", None, "Broken. Mend it."),
        ("Broken", "Mend it.", None, "Broken. Mend it."),
        ("Broken?", "Mend it.", "req_1", "req_1: Broken? Mend it."),
        ("", "Mend it.", "req_1", "req_1: Mend it."),
        ("", None, None, ""),
    ],
)
def test_str_begins_with_the_request_id_and_ends_with_the_fix(
    problem: str, fix: str | None, request_id: str | None, text: str
) -> None:
    assert str(APIError(problem, fix=fix, request_id=request_id)) == text


def test_an_error_says_whether_credits_may_be_gone() -> None:
    assert not UnknownOutcomeError("?").safe_to_retry
    assert not UnknownOutcomeError("?").retryable
    assert UnknownOutcomeError("?", billed="no").safe_to_retry
    assert not APIError("?", billed="yes").safe_to_retry


RETRYABLE = {
    "RateLimitError",
    "InternalServerError",
    "FiltersUnavailableError",
    "ServiceUnavailableError",
    "WorkflowTimeoutError",
    "APIConnectionError",
    "APITimeoutError",
    "MalformedResponseError",
    "WaitTimeoutError",
    "DeadlineExceededError",
    "JobLockedError",
    "JournalLockedError",
    "OverloadedError",
    "StoreUnavailableError",
    "ClaimLostError",
}


def test_which_errors_may_go_away_by_themselves() -> None:
    assert {error.__name__ for error in CLASSES if error.retryable} == RETRYABLE


@pytest.mark.sockets  # a process
def test_errors_import_nothing_above_them() -> None:
    code = (
        "import sys, cleanlist_async.errors; print([m for m in sys.modules if m[:16] == 'cleanlist_async.'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    below = {"cleanlist_async.types", "cleanlist_async.errors", "cleanlist_async.errors.base"}
    assert set(literal_eval(shown)) == below


@each_case("error_class", [*CLASSES, FieldError])
def test_tracebacks_and_pickles_name_an_error_where_users_import_it(error_class: type) -> None:
    assert (error_class.__module__, getattr(errors, error_class.__name__)) == (errors.__name__, error_class)


def test_an_unknown_outcome_names_the_status_and_the_code_of_the_answer() -> None:
    error = UnknownOutcomeError("submit_bulk was sent, and may have been processed: boom", fix="Look.")
    assert str(error).endswith("processed: boom. Look.")
    error.status, error.code = 500, "internal_error"
    assert str(error).endswith("processed: boom (500 internal_error). Look.")


@each_case(
    ("contacts", "begins"), [(None, "It was"), (1, "Its 1 contact was"), (1_200, "Its 1,200 contacts were")]
)
def test_an_unknown_outcome_says_what_was_sent_and_when(contacts, begins):
    error = UnknownOutcomeError("No answer.")
    error.contacts, error.sent_at = contacts, datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    assert f"{begins} sent at 2026-11-30 12:00:00 UTC." in str(error)
