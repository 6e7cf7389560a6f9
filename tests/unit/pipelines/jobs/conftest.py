"""A pipeline of three steps that exists only here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipelines.accounts.models import User
from pipelines.core import dispatch, steps
from pipelines.core.dispatch import Hint
from pipelines.core.steps import Pipeline, Retry, Step
from pipelines.jobs.claims import Claim, step_claim
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept

FIRST = Step("test.first", queue="default", retry=Retry(attempts=2, base=1.0))
SECOND = Step("test.second", queue="llm", retry=Retry(attempts=2, base=1.0))
THIRD = Step("test.third", queue="default")

Accept = Callable[..., Job]


@pytest.fixture
def ended() -> list[str]:
    """The states in which jobs of the pipeline ended otherwise than completed."""
    return []


@pytest.fixture
def pipeline(ended: list[str]) -> Iterator[Pipeline]:
    """Declare the pipeline for one test."""
    made = Pipeline(
        "test.three",
        (FIRST, SECOND, THIRD),
        on_end=lambda job_id: ended.append(Job.objects.get(pk=job_id).state),
    )
    steps.register(made)
    yield made
    steps._pipelines.pop("test.three")
    for step in made.steps:
        steps._steps.pop(step.name)


@pytest.fixture
def owner(db: None) -> User:
    """Somebody."""
    return User.objects.create(username="ada", email="ada@example.com")


@pytest.fixture
def accept(pipeline: Pipeline, owner: User) -> Accept:
    """Accept a job of the pipeline."""

    def accept(**kwargs: Any) -> Job:
        return job_accept(pipeline=pipeline, owner=owner, **{"input": {"n": 1}, **kwargs})

    return accept


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Hint]:
    """What is handed to the broker, in its order, instead of handing it over."""
    sent: list[Hint] = []
    monkeypatch.setattr(dispatch, "publish", sent.append)
    return sent


def claim(job: Job, step: Step = FIRST, *, epoch: int = 1) -> Claim:
    """Take a step as a worker would."""
    return step_claim(job_id=job.pk, epoch=epoch, name=step.name, worker="w1", task_id="t1")


def states(job: Job) -> list[str]:
    """The state of the job, then of its steps."""
    job.refresh_from_db()
    return [job.state, *job.steps.values_list("state", flat=True)]
