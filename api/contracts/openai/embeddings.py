"""`/v1/embeddings`: texts as vectors, by the model that the knowledge base is searched with."""

from __future__ import annotations

import base64
import struct
from functools import partial
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request

from api.auth import caller
from api.contracts.openai.errors import Malformed, Unsupported, failure
from api.contracts.openai.reading import Parameters, embedding_model
from api.contracts.openai.schema import described
from api.contracts.openai.views import Asking, awaited
from api.polling import rendered
from api.shapes import error_of
from pipelines.core.errors import NotFound
from pipelines.embeddings import services
from pipelines.embeddings.models import Embedding
from pipelines.jobs.states import JobState

_KNOWN = frozenset({"dimensions", "encoding_format", "input", "model", "user"})
_FLOAT = 4


class Embeddings(Asking):
    """Embeddings."""

    @described("embeddings_create")
    def post(self, request: Request) -> HttpResponseBase:
        """Embed a text, or several."""
        given = Parameters(dict(request.data), _KNOWN)
        model = given.take("model", str, embedding_model())
        form = given.take("encoding_format", str, "float")
        texts = _texts(given.take("input", object, ""))
        given.find("user", str)
        given.close()
        if form not in {"float", "base64"}:
            raise Malformed("'encoding_format' is float or base64.", field="encoding_format")
        if model != embedding_model():
            raise NotFound(f"There is no model '{model}' for embeddings.", code="model_not_found")
        accept = partial(services.embedding_accept, owner=caller(request), texts=texts)
        embedding = self.accepted(request, accept, Embedding)
        show = partial(_answer, model=model, form=form, characters=sum(map(len, texts)))
        return awaited(embedding, show)


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list):
        raise Malformed("'input' is a text or a list of texts.", field="input")
    if not all(isinstance(text, str) for text in texts):
        raise Unsupported("Unsupported input: tokens instead of texts.", field="input")
    return texts


def _answer(embedding: Embedding, model: str, form: str, characters: int) -> HttpResponse:
    if embedding.vectors is None:
        job = embedding.job
        state, error = (JobState(job.state), error_of(job)) if job else (JobState.FAILED, None)
        return rendered(*failure(state, error))
    size = embedding.dimensions * _FLOAT
    raw = bytes(embedding.vectors)
    vectors = [raw[at : at + size] for at in range(0, len(raw), size)]
    # As everywhere, four characters are reckoned as a token where nobody counts them.
    tokens = -(-characters // 4)
    body = {
        "object": "list",
        "model": model,
        "data": [
            {"object": "embedding", "index": index, "embedding": _shown(vector, form)}
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return rendered(body, 200)


def _shown(vector: bytes, form: str) -> Any:
    if form == "base64":
        return base64.b64encode(vector).decode()
    return list(struct.unpack(f"<{len(vector) // _FLOAT}f", vector))
