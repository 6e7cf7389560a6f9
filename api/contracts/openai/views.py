"""What all routes under /v1 share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from api import accepting
from api.accepting import Accepting, R
from api.auth import ApiKeyAuthentication
from api.contracts.openai.errors import openai_response
from api.parsers import StrictJSONParser
from pipelines.api_keys.models import ApiKey, Scope


class OpenAIView(APIView):
    """A route of OpenAI's: its credential is an API key, and its errors are OpenAI's."""

    scope = Scope.OPENAI
    authentication_classes = (ApiKeyAuthentication,)
    parser_classes = (StrictJSONParser,)

    def get_exception_handler(self) -> Callable[..., Any]:
        """Answer errors in OpenAI's form."""
        return openai_response


class Asking(OpenAIView, Accepting):
    """A route of OpenAI's that is asked for something."""


def key_of(request: Request) -> ApiKey:
    """Return the key that a request shows."""
    return cast("ApiKey", request.auth)


def awaited(row: R, show: Callable[[R], HttpResponse]) -> HttpResponse:
    """Answer with a row when its job has ended, or has let the client wait too long."""
    return accepting.awaited(row, show, settings.OPENAI_WAIT_SECONDS, openai_response)
