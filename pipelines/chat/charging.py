"""What a turn costs its owner: reserved when it is accepted, settled when it ends.

A turn that completed pays for what it used; one that was cancelled, for what was generated until
then; one that failed, nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings

from pipelines.credits.pricing import Usage, prices
from pipelines.credits.selectors import is_charged, reservation_of
from pipelines.credits.services import credits_reserve, credits_settle
from pipelines.jobs.models import Job, JobStep
from pipelines.jobs.states import JobState, StepState

if TYPE_CHECKING:
    from uuid import UUID

# The longest passage that a document is cut into, and the longest title above it.
PASSAGE_CHARACTERS = 1_200 + 255


def most_used(asked: int = 0) -> Usage:
    """Say the most tokens that a turn can use, by the limits in the settings.

    Where more was asked than a context holds, `asked` characters, that was accepted as it is.

    A token counts as one character: texts in any language have more characters than tokens, but
    for those made of rare signs, and a turn is never charged more than was reserved.
    """
    context = max(settings.CONTEXT_MAX_CHARACTERS, settings.MESSAGE_MAX_CHARACTERS, asked)
    passages = settings.RETRIEVE_PASSAGES * PASSAGE_CHARACTERS
    return Usage(
        input_tokens=len(settings.CHAT_INSTRUCTIONS) + context + passages,
        output_tokens=settings.REPLY_MAX_TOKENS,
    )


def turn_reserve(job: Job) -> None:
    """Reserve the most that a turn can cost; the last thing that its transaction writes.

    An account that does not pay reserves nothing.

    Raises:
        InsufficientCredits: The owner's balance does not cover it.
    """
    if job.owner_id is None or not is_charged(job.owner_id):
        return
    asked = job.input.get("asked_characters", 0)
    credits_reserve(job=job, amount=prices().cost(most_used(asked)))


def turn_replay(job_id: UUID) -> None:
    """Reserve anew for a failed turn that runs again; InsufficientCredits when it cannot."""
    turn_reserve(Job.objects.get(pk=job_id))


def turn_settle(job_id: UUID, *, generate: str) -> None:
    """Settle a turn that has ended; `generate` names the step that costs."""
    if (reservation := reservation_of(job_id)) is not None:
        is_failed = Job.objects.filter(pk=job_id, state=JobState.FAILED).exists()
        usage = None if is_failed else _generated(job_id, generate)
        credits_settle(reservation=reservation, used=prices().cost(usage))


def _generated(job_id: UUID, name: str) -> Usage | None:
    """Tell what was generated for a turn, as far as its step has noted; None when nothing was.

    What an epoch before this one had begun does not count: it was given back when that failed.
    """
    step = JobStep.objects.filter(job=job_id, name=name).first()
    if step is None:
        return None
    if step.state == StepState.COMPLETED:
        return _usage(step.output or {})
    has_begun = step.progress.get("output_tokens") or step.progress.get("response_id")
    return _usage(step.progress) if has_begun and step.attempt > step.forgiven else None


def _usage(noted: Mapping[str, Any]) -> Usage:
    return Usage(noted.get("input_tokens", 0), noted.get("output_tokens", 0))
