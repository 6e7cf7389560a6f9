"""The tasks of a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from pipelines.chat import pipeline, selectors, services
from pipelines.chat.models import Message
from pipelines.jobs.models import Job
from pipelines.knowledge.selectors import Passage, passages_get
from pipelines.reports.services import report_request
from workers.asking import question_of, text_of
from workers.base import Run, step_task
from workers.citing import citations_of
from workers.generation import follow
from workers.routing import routed
from workers.search import nearest

if TYPE_CHECKING:
    from workers.engines.llm import Prompt


@step_task(pipeline.RETRIEVE)
def retrieve(run: Run) -> None:
    """Find the passages that may help to answer."""
    scope = [UUID(pk) for pk in run.input["collections"]]
    hits = nearest(text_of(run), scope, settings.RETRIEVE_PASSAGES)
    near = [hit for hit in hits if hit.score >= settings.RETRIEVE_MIN_SCORE]
    with run.recording() as outcome:
        outcome.output = {
            "passages": [{"chunk_id": hit.id, "score": round(hit.score, 4)} for hit in near]
        }


@step_task(pipeline.GENERATE)
def generate(run: Run) -> None:
    """Let a model answer; a second attempt resumes the first one's response where it can."""
    passages = _passages(run)
    with routed(run, _prompt(run, passages)) as route:
        answer = follow(run, route)
    with run.recording() as outcome:
        outcome.output = {
            "text": answer.text,
            "generation": run.claim.progress.get("generation", 0),
            "provider": route.provider,
            "model": answer.model,
            "finish_reason": answer.finish_reason,
            "input_tokens": answer.usage.input_tokens,
            "output_tokens": answer.usage.output_tokens,
            "passages": [passage.chunk_id for passage in passages],
        }


def _passages(run: Run) -> list[Passage]:
    """Read the retrieved passages that still exist and may be seen, in the order of their rank."""
    found = run.outputs.get(pipeline.RETRIEVE.name, {}).get("passages", [])
    ids = [row["chunk_id"] for row in found]
    seen = passages_get(run.claim.owner_id, ids)
    return [seen[pk] for pk in ids if pk in seen]


def _prompt(run: Run, passages: list[Passage]) -> Prompt:
    from workers.engines import llm

    question = question_of(run)
    options = question.options
    return llm.Prompt(
        instructions=question.instructions,
        turns=tuple(
            llm.Turn(role=line.role, content=line.content)  # type: ignore[arg-type]  # a Role
            for line in question.context
        ),
        passages=tuple(
            llm.Passage(number=number, title=passage.title, text=passage.text)
            for number, passage in enumerate(passages, start=1)
        ),
        model=run.input["model"],
        max_output_tokens=min(
            options.get("max_output_tokens") or settings.REPLY_MAX_TOKENS, settings.REPLY_MAX_TOKENS
        ),
        temperature=options.get("temperature"),
        top_p=options.get("top_p"),
        metadata={"job_id": str(run.job_id)},
    )


@step_task(pipeline.FINISH)
def finish(run: Run) -> None:
    """Write the reply, and the report that it asks for, in the transaction that ends the turn."""
    answer = run.outputs[pipeline.GENERATE.name]
    question = selectors.message_get(UUID(run.input["message_id"]))
    citations = citations_of(run, answer)
    with run.recording() as outcome:
        reply = services.reply_record(
            question=question,
            content=answer["text"],
            citations=citations,
            # A worker of before the failover names none.
            provider=answer.get("provider", run.input["provider"]),
            model=answer["model"],
            input_tokens=answer["input_tokens"],
            output_tokens=answer["output_tokens"],
        )
        outcome.output = {
            "conversation_id": run.input["conversation_id"],
            "message_id": str(reply.pk),
            "text": reply.content,
            "citations": citations,
            "finish_reason": answer["finish_reason"],
            "report_id": _report(run, reply),
        }


def _report(run: Run, reply: Message) -> str | None:
    """Order the report of a reply that holds a trigger phrase; return its id."""
    if not services.wants_report(reply.content):
        return None
    owner = reply.conversation.owner
    report = report_request(
        owner=owner,
        title="AI roadmap",
        stem="roadmap",
        content=reply.content,
        mail_to=owner.email,
        parent=Job.objects.get(pk=run.job_id),
    )
    return str(report.pk)
