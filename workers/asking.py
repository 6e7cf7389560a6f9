"""What a step is to answer: a message of a conversation, or a response of OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from pipelines.chat.selectors import Line, message_get, turn_context
from pipelines.responses.selectors import question_text, response_context, response_of_job

if TYPE_CHECKING:
    from workers.base import Run


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        text: By which passages are looked for.
        instructions: What the model is told before all else.
        context: What was said, up to the question.
        options: What else was asked for, under OpenAI's names.
    """

    text: str
    instructions: str
    context: Sequence[Line]
    options: Mapping[str, Any] = field(default_factory=dict)


def question_of(run: Run) -> Question:
    """Read what a run is to answer.

    Raises:
        NotFound: It was deleted meanwhile.
    """
    if (response_id := run.input.get("response_id")) is not None:
        response = response_of_job(UUID(response_id))
        return Question(
            text=question_text(response),
            instructions=response.instructions,
            context=response_context(response),
            options=response.options,
        )
    message = message_get(UUID(run.input["message_id"]))
    return Question(message.content, settings.CHAT_INSTRUCTIONS, turn_context(message))


def text_of(run: Run) -> str:
    """Read only by what passages are looked for; raises NotFound, as above."""
    if (response_id := run.input.get("response_id")) is not None:
        return question_text(response_of_job(UUID(response_id)))
    return message_get(UUID(run.input["message_id"])).content
