"""What the routes of the five contracts share: the form of their errors, and the wait for a reply.

A contract's client knows nothing of jobs: it sends a message and reads the reply. Here it waits
for the job, as if it had sent `Prefer: wait=30`; if that takes longer it is told where to ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.accepting import Accepting, awaited
from api.errors import problem_response
from api.open import Open
from api.polling import rendered
from api.shapes import retry_after
from api.waiting import preferred_wait
from pipelines.chat.models import Message
from pipelines.chat.selectors import reply_to
from pipelines.chat.services import Turn
from pipelines.jobs.models import Job
from pipelines.jobs.states import ACTIVE, JobState

_ASYNC = re.compile(r"(?i)(?:^|[,;])\s*respond-async\s*(?=$|[,;])")
# What the contracts call a body that is not as it should be.
_STATUSES = {422: 400}


def error_body(sentence: str, **more: Any) -> dict[str, Any]:
    """Lay out an error as the contracts do: one sentence under `error`."""
    return {"error": sentence, **more}


def contract_response(error: Exception, context: Mapping[str, Any]) -> Response:
    """Answer an exception that a view raised, in the contracts' form."""
    answer = problem_response(error, context)
    problem = answer.data
    more = {"errors": problem["errors"]} if "errors" in problem else {}
    answer.data = error_body(problem["detail"], code=problem["code"], **more)
    answer.status_code = _STATUSES.get(answer.status_code, answer.status_code)
    answer.content_type = "application/json"
    return answer


class ContractView(APIView):
    """A route of a contract."""

    def get_exception_handler(self) -> Callable[..., Any]:
        """Answer errors in the contracts' form."""
        return contract_response


class OpenView(ContractView, Open):
    """A route of a contract whose credential, if any, is in the body."""


class Speaking(ContractView, Accepting):
    """A route on which something is said, and the reply is the answer."""

    def said(
        self,
        request: Request,
        accept: Callable[[], Turn],
        show: Callable[[Message, Message], dict[str, Any]],
        *,
        where: str = "conversation_id",
    ) -> HttpResponse:
        """Accept a turn, wait for its reply, and answer with both.

        Args:
            request: The request; an `Idempotency-Key` makes a repeated one the same turn.
            accept: Accepts the turn.
            show: Lays out what was said and the reply to it.
            where: What the contract calls the id of a conversation.
        """
        message = self.accepted(request, lambda: accept().message, Message)
        shown = partial(_answer, show=show, where=where)
        return awaited(message, shown, _seconds(request), contract_response)


def _seconds(request: Request) -> float:
    if _ASYNC.search(request.headers.get("Prefer", "")):
        return 0
    return preferred_wait(request) or settings.CONTRACT_WAIT_SECONDS


def _answer(
    message: Message, show: Callable[[Message, Message], dict[str, Any]], where: str
) -> HttpResponse:
    """Answer with the reply; without one yet, with the job; without one ever, with why."""
    if (reply := reply_to(message)) is not None:
        return rendered(show(message, reply))
    job = message.job
    if job is None or job.state not in ACTIVE:
        return rendered(*_failure(job))
    body = {
        where: str(message.conversation_id),
        "job_id": str(job.pk),
        "status": job.state,
        "detail": "The reply is being written.",
    }
    later = rendered(body, HTTPStatus.ACCEPTED)
    later["Location"] = reverse("job", args=[job.pk])
    later["Retry-After"] = str(retry_after(job))
    return later


def _failure(job: Job | None) -> tuple[dict[str, Any], int]:
    if job is None:
        return error_body("There is no reply.", code="no_reply"), HTTPStatus.NOT_FOUND
    if job.state == JobState.CANCELLED:
        return error_body("The turn was cancelled.", code="cancelled"), HTTPStatus.CONFLICT
    return error_body(job.error_detail, code=job.error_code), HTTPStatus.BAD_GATEWAY


def refused(sentence: str, code: str, status: int = 400) -> HttpResponse:
    """Answer with an error whose text the contract gives."""
    return rendered(error_body(sentence, code=code), status)
