"""Workflows and their tasks. Their state follows from the clock, at the moment when somebody looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from .clock import Agenda
from .ledger import AcceptedContact, Account, Ledger, SentContact, identity_of
from .options import Options, drawn, seeded, seeded_uuid
from .people import WORST_CASE, Expected, expected_by, throw
from .responses import RefusedError

State: TypeAlias = Literal["processing", "completed", "failed"]


class Submission(NamedTuple):
    """An acceptable batch: 1..250 contacts, as they were sent."""

    contacts: list[SentContact]
    enrichment_type: str
    webhook_url: str | None


@dataclass(slots=True)
class Task:
    """One row of a workflow; more than one contact where duplicates were merged."""

    task_id: str
    entries: list[AcceptedContact]
    finishes_at: float
    omitted: bool
    """The workflow answer does not show it."""
    outcome: Expected | None = None
    """Set when it has finished."""

    @property
    def contact(self) -> SentContact:
        """The contact as it was sent."""
        return self.entries[0].contact


@dataclass(slots=True)
class Workflow:
    """One accepted submit. Times are seconds on the sandbox's clock."""

    workflow_id: str
    number: int
    enrichment_type: str
    tasks: list[Task]
    rows: list[Task]
    """The tasks in the order in which the answer shows them."""
    total_contacts: int
    completes_at: float
    completed_at_utc: datetime
    will_fail: bool
    webhook_url: str | None
    answer: tuple[int, bytes] | None = None
    """The last encoded status answer and the number of finished rows it was made of."""

    def state(self, now: float) -> State:
        """Return its state."""
        if now < self.completes_at:
            return "processing"
        return "failed" if self.will_fail else "completed"

    @property
    def finished(self) -> int:
        """Number of rows that have finished."""
        return sum(task.outcome is not None for task in self.tasks)


class Workflows:
    """Every workflow there is; finishes them, and charges for them, as the clock goes on."""

    def __init__(self, options: Options, account: Account, ledger: Ledger, agenda: Agenda) -> None:
        self._options = options
        self._agenda = agenda
        self._account = account
        self._ledger = ledger
        self._random = seeded(options.seed, "workflow_s")
        self._workflows: dict[str, Workflow] = {}
        self._tasks: dict[str, tuple[Workflow, Task]] = {}
        self.lead_list_id = seeded_uuid(options.seed, "list")

    def submit(self, submission: Submission, now: float) -> Workflow:
        """Accept a batch, and hold the credits it can cost at most.

        Raises RefusedError 402 if there are fewer.
        """
        # Held at the worst case, so that running workflows can never overdraw the balance.
        worst = WORST_CASE[submission.enrichment_type] * len(submission.contacts)
        if not self._account.reserve(worst):
            raise insufficient_credits("enrich_bulk", worst, self._account.available)
        workflow = self._workflow(submission, now)
        self._workflows[workflow.workflow_id] = workflow
        for task in workflow.tasks:
            self._tasks[task.task_id] = (workflow, task)
        for at in _due_times(workflow):
            self._agenda.at(at, partial(self._finish, workflow, at))
        return workflow

    def workflow(self, workflow_id: str) -> Workflow:
        """Return a workflow. Raises RefusedError 404 for an unknown one."""
        if workflow_id not in self._workflows:
            raise RefusedError(404, "Workflow not found")
        return self._workflows[workflow_id]

    def task(self, task_id: str) -> tuple[Workflow, Task]:
        """Return a task and its workflow. Raises RefusedError 404 for an unknown one."""
        if task_id not in self._tasks:
            raise RefusedError(404, "Task not found")
        return self._tasks[task_id]

    def _workflow(self, submission: Submission, now: float) -> Workflow:
        options, number = self._options, len(self._workflows)
        duration_s = drawn(options.workflow_s, self._random)
        # By number, so that a workflow does not depend on the ones before it.
        random = seeded(options.seed, number)
        workflow = Workflow(
            workflow_id=f"public_bulk_{seeded_uuid(options.seed, number)}",
            number=number,
            enrichment_type=submission.enrichment_type,
            tasks=[],
            rows=[],
            total_contacts=len(submission.contacts),
            completes_at=now + duration_s,
            completed_at_utc=datetime.now(UTC) + timedelta(seconds=duration_s),
            will_fail=random.random() < options.shape.failed_workflows,
            webhook_url=submission.webhook_url,
        )
        self._add_tasks(workflow, submission.contacts, now)
        # Before the ids are shuffled: rows keep the order of the contacts unless shuffled themselves.
        workflow.rows = list(workflow.tasks)
        if options.shape.shuffle_ids:
            random.shuffle(workflow.tasks)
        if options.shape.shuffle_rows:
            random.shuffle(workflow.rows)
        return workflow

    def _add_tasks(self, workflow: Workflow, contacts: Sequence[SentContact], now: float) -> None:
        by_profile: dict[object, Task] = {}
        for index, contact in enumerate(contacts):
            profile = contact.get("linkedin_url") if self._options.shape.merge_duplicates else None
            task = by_profile.get(profile) if profile else None
            if task is None:
                task = self._task(workflow, index, contact)
                workflow.tasks.append(task)
                by_profile[profile] = task
            entry = AcceptedContact(
                workflow.workflow_id, task.task_id, index, contact, workflow.enrichment_type, now
            )
            task.entries.append(entry)
            self._ledger.contacts.append(entry)

    def _task(self, workflow: Workflow, index: int, contact: SentContact) -> Task:
        shape = self._options.shape
        task_id = seeded_uuid(self._options.seed, workflow.number, index)
        task = Task(task_id, [], workflow.completes_at, omitted=False)
        # Only where it is needed: the dice cost a hash for each contact.
        if shape.omit_rows or shape.unfinished_rows:
            dice = throw(identity_of(contact), self._options.seed)
            task.omitted = dice.omit < shape.omit_rows
            if dice.unfinish < shape.unfinished_rows:
                task.finishes_at += shape.unfinished_s
        return task

    def _finish(self, workflow: Workflow, at: float) -> None:
        for task in workflow.tasks:
            if workflow.will_fail:
                self._charge(task, 0.0, at)
            # Once: a workflow is due again for tasks that finish late.
            elif task.outcome is None and task.finishes_at <= at:
                task.outcome = expected_by(self._options, task.contact, workflow.enrichment_type)
                self._charge(task, task.outcome.credits, at)
            elif task.finishes_at == math.inf and at == workflow.completes_at:
                # A task that never finishes will not be charged, so nothing is held for it any longer.
                self._account.charge(0.0, reserved=_reserved(task))

    def _charge(self, task: Task, credits_: float, at: float) -> None:
        self._account.charge(credits_, reserved=_reserved(task))
        # Merged duplicates are paid for once.
        task.entries[0].credits = credits_
        for entry in task.entries:
            entry.charged_at = at


def insufficient_credits(tool: str, needed: float, available: float) -> RefusedError:
    """Return the refusal of a call of *tool* that could cost more than there is."""
    return RefusedError(
        402,
        extra={
            "problem": f"This {tool} call requires {needed:g} credits; organization has {available:g}.",
            "estimated_cost_credits": needed,
            "available_credits": available,
            "shortfall_credits": needed - available,
        },
    )


def _due_times(workflow: Workflow) -> set[float]:
    if workflow.will_fail:
        return {workflow.completes_at}
    # What never finishes is never due.
    return {workflow.completes_at, *(task.finishes_at for task in workflow.tasks)} - {math.inf}


def _reserved(task: Task) -> float:
    return WORST_CASE[task.entries[0].enrichment_type] * len(task.entries)
