"""The last task of a response."""

from __future__ import annotations

from uuid import UUID

from pipelines.chat.pipeline import GENERATE
from pipelines.responses.pipeline import FINISH
from pipelines.responses.selectors import response_of_job
from pipelines.responses.services import answer_record
from workers.base import Run, step_task
from workers.citing import citations_of

# What of an answer is shown with it.
_TOLD = ("finish_reason", "generation", "input_tokens", "output_tokens")


@step_task(FINISH)
def finish(run: Run) -> None:
    """Write the answer down, in the transaction that ends the response."""
    answer = run.outputs[GENERATE.name]
    response = response_of_job(UUID(run.input["response_id"]))
    citations = citations_of(run, answer)
    with run.recording() as outcome:
        answer_record(
            response=response,
            text=answer["text"],
            citations=citations,
            answer={name: value for name, value in answer.items() if name != "text"},
        )
        outcome.output = {
            "response_id": response.public_id,
            "text": answer["text"],
            "citations": citations,
            **{name: answer[name] for name in _TOLD},
        }
