"""`/v1/models`: which models are offered."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from api.contracts.openai.reading import models_listed
from api.contracts.openai.schema import described
from api.contracts.openai.views import OpenAIView
from pipelines.core.errors import NotFound


def _shown(name: str, provider: str) -> dict[str, Any]:
    # OpenAI says when a model was made; what is configured has no such moment.
    return {"id": name, "object": "model", "created": 0, "owned_by": provider}


class Models(OpenAIView):
    """The models."""

    @described("models_list")
    def get(self, request: Request) -> Response:
        """List the providers' models."""
        return Response({"object": "list", "data": [_shown(*one) for one in models_listed()]})


class ModelView(OpenAIView):
    """One model."""

    @described("models_retrieve")
    def get(self, request: Request, name: str) -> Response:
        """Tell whose a model is."""
        for known, provider in models_listed():
            if name in {known, f"{provider}/{known}"}:
                return Response(_shown(name, provider))
        raise NotFound(f"The model '{name}' does not exist.", code="model_not_found")
