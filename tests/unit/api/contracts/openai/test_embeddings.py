"""`/v1/embeddings`: taken as a job, made by a worker, shown as OpenAI shows them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from openai.types import CreateEmbeddingResponse
from pytest_django import Settings
from rest_framework.test import APIClient

from api.contracts.openai.embeddings import _answer
from pipelines.embeddings.models import Embedding
from pipelines.embeddings.pipeline import EMBED
from pipelines.jobs.models import Job
from pipelines.jobs.states import JobState
from tests.unit.api.conftest import Rows
from workers import configured, embeddings
from workers.base import execute

EMBEDDINGS = "/v1/embeddings"
VECTORS = {"one": [1.0, 0.0], "two": [0.0, -0.5]}


class FakeEmbedder:
    """Knows two words."""

    def embed(self, texts: list[str]) -> Any:
        """Look the texts up."""
        return np.array([VECTORS[text] for text in texts], dtype=np.float32)


@pytest.fixture
def made(sdk: APIClient, monkeypatch: pytest.MonkeyPatch) -> Embedding:
    """A request that a worker has answered."""
    monkeypatch.setattr(configured, "embedder", FakeEmbedder)
    monkeypatch.setattr("workers.base.keeper", _keeper())
    sdk.post(EMBEDDINGS, {"model": "all-minilm-l6-v2", "input": ["one", "two"]}, format="json")
    job = Job.objects.get()
    execute(EMBED, embeddings.embed, job.pk, 1, "w", "t")
    return Embedding.objects.select_related("job").get()


def _keeper() -> Any:
    import threading

    from workers.leases import LeaseKeeper

    keeper = LeaseKeeper()
    keeper._thread = threading.current_thread()
    return lambda: keeper


def test_texts_become_vectors_and_are_forgotten(made: Embedding) -> None:
    assert made.job is not None
    assert (made.job.kind, made.job.state) == ("embeddings.embedding", "completed")
    assert (made.texts, made.dimensions) == ([], 2)


@pytest.mark.parametrize("form", ["float", "base64"])
def test_both_forms_are_openais(made: Embedding, form: str) -> None:
    body = json.loads(_answer(made, "minilm", form, 6).content)
    if form == "base64":
        for row in body["data"]:
            raw = base64.b64decode(row["embedding"])
            row["embedding"] = np.frombuffer(raw, dtype="<f4").tolist()
    shown = CreateEmbeddingResponse.model_validate(body)
    assert [row.embedding for row in shown.data] == list(VECTORS.values())
    assert (shown.model, shown.usage.total_tokens) == ("minilm", 2)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": ""}, "input", "empty"),
        ({"input": []}, "input", "empty"),
        ({"input": ["one", " "]}, "input", "empty"),
        ({"input": ["a"] * 3}, "input", "too_many_texts"),
        ({"input": "x" * 11}, "input", "too_large"),
        ({"input": [1, 2]}, "input", "unsupported_parameter"),
        ({"input": 1}, "input", "invalid_value"),
        ({"encoding_format": "hex"}, "encoding_format", "invalid_value"),
        ({"dimensions": 8}, "dimensions", "unsupported_parameter"),
    ],
)
def test_what_cannot_be_embedded_is_refused(
    sdk: APIClient,
    rows: Rows,
    settings: Settings,
    fields: dict[str, Any],
    param: str,
    code: str,
) -> None:
    settings.EMBEDDINGS_MAX_TEXTS, settings.EMBEDDINGS_MAX_CHARACTERS = 2, 10
    before = rows()
    body = {"model": "all-minilm-l6-v2", "input": "one", **fields}
    refused = sdk.post(EMBEDDINGS, body, format="json")
    error = refused.json()["error"]
    assert (refused.status_code, error["param"], error["code"]) == (400, param, code)
    assert rows() == before


def test_another_model_is_not_what_it_says(sdk: APIClient, rows: Rows) -> None:
    before = rows()
    body = {"model": "text-embedding-3-small", "input": "one"}
    refused = sdk.post(EMBEDDINGS, body, format="json")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    assert rows() == before


@pytest.mark.parametrize(
    ("ended", "status", "code"),
    [
        ({"state": JobState.FAILED, "error_code": "internal_error"}, 500, "internal_error"),
        ({"state": JobState.IN_PROGRESS}, 504, "timeout"),
    ],
)
def test_what_has_no_vectors_is_an_error(
    sdk: APIClient, ended: dict[str, Any], status: int, code: str
) -> None:
    sdk.post(EMBEDDINGS, {"model": "all-minilm-l6-v2", "input": "one"}, format="json")
    Job.objects.update(**ended)
    answer = _answer(Embedding.objects.select_related("job").get(), "minilm", "float", 3)
    assert (answer.status_code, json.loads(answer.content)["error"]["code"]) == (status, code)
