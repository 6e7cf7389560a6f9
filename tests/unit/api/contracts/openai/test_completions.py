"""`/v1/chat/completions`: what is taken and what is refused; the rest needs a worker."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from rest_framework.test import APIClient

from api.contracts.openai.completions import _whole
from pipelines.jobs.models import Job
from pipelines.jobs.states import JobState
from pipelines.responses.models import Response
from tests.unit.api.conftest import Rows

COMPLETIONS = "/v1/chat/completions"
ASKED = {"model": "sandbox-1", "messages": [{"role": "user", "content": "Who pays?"}]}
OUTPUT = {
    "text": "The carter.",
    "citations": [],
    "finish_reason": "stop",
    "input_tokens": 3,
    "output_tokens": 5,
}


def accept(sdk: APIClient, **fields: Any) -> Response:
    """Send a request, whose client hangs up at once."""
    sdk.post(COMPLETIONS, {**ASKED, **fields}, format="json")
    return Response.objects.select_related("job").get()


def test_a_completion_is_openais(sdk: APIClient) -> None:
    response = accept(sdk, max_tokens=7, temperature=0.5)
    Job.objects.update(state=JobState.COMPLETED, output=OUTPUT)
    response.refresh_from_db()

    answer = _whole(Response.objects.select_related("job").get())

    shown = ChatCompletion.model_validate_json(answer.content)
    assert shown.choices[0].message.content == "The carter."
    assert shown.choices[0].finish_reason == "stop"
    assert shown.usage is not None
    assert shown.usage.total_tokens == 8
    assert response.options == {"max_output_tokens": 7, "temperature": 0.5}
    assert response.is_stored is False


@pytest.mark.parametrize(
    ("ended", "status", "code"),
    [
        ({"state": JobState.FAILED, "error_code": "rate_limited"}, 429, "rate_limited"),
        ({"state": JobState.FAILED, "error_code": "provider_refused"}, 500, "provider_refused"),
        ({"state": JobState.CANCELLED}, 409, "cancelled"),
        ({"state": JobState.IN_PROGRESS}, 504, "timeout"),
    ],
)
def test_what_has_no_answer_is_an_error(
    sdk: APIClient, ended: dict[str, Any], status: int, code: str
) -> None:
    accept(sdk)
    Job.objects.update(**ended)

    answer = _whole(Response.objects.select_related("job").get())

    assert answer.status_code == status
    assert f'"code":"{code}"' in answer.content.decode()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"seed": 1}, "seed"),
        ({"stream_options": {"include_obfuscation": True}}, "include_obfuscation"),
        ({"color": "red"}, "color"),
    ],
)
def test_what_is_not_supported_is_refused_by_its_name(
    sdk: APIClient, rows: Rows, fields: dict[str, Any], param: str
) -> None:
    before = rows()
    refused = sdk.post(COMPLETIONS, {**ASKED, **fields}, format="json")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
    assert rows() == before
