"""Idempotency-Key: whoever sends a creating request again gets its first answer again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import QueryDict
from django.utils.crypto import salted_hmac
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.polling import await_created
from api.waiting import APPLIED, PREFER
from pipelines.core.errors import InvalidInput
from pipelines.idempotency import selectors, services
from pipelines.idempotency.models import KeptAnswer

if TYPE_CHECKING:
    from pipelines.accounts.models import User

_VISIBLE = re.compile(r"[\x21-\x7e]+")
# What of an answer's head is kept with it.
_KEPT_HEADERS = ("Location", "Retry-After")

KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
    OpenApiParameter.HEADER,
    description=(
        "Chosen by the client, new for each thing to be created. The same request with the same "
        "key gets the first answer again; another request with it gets 422."
    ),
)
_ANSWERED = OpenApiParameter(
    "Idempotency-Replayed",
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    description="This is the first answer again.",
    response=[201, 202],
)


class InvalidKey(InvalidInput):
    """This Idempotency-Key cannot be used."""

    code = "invalid_idempotency_key"
    status = 400


class Keyed(APIView):
    """A view that creates something, once for each `Idempotency-Key`."""

    # What of the answer is told once, and is null when the answer is given again.
    secrets: tuple[str, ...] = ()
    kept: KeptAnswer | None = None

    def check_throttles(self, request: Request) -> None:
        """Slow nobody down who asks for an answer that was given already."""
        self.kept = _kept_answer(request) if request.method == "POST" else None
        if self.kept is None:
            super().check_throttles(request)

    def once(self, request: Request, create: Callable[[], Response]) -> Response:
        """Create, or hand out what was answered when this was created.

        With a key, it is done in one transaction, which keeps the answer too: both or neither. A
        kept answer is handed out before the throttles are asked, and before the view does anything.
        """
        key = _key(request)
        if self.kept is not None:
            return _replayed(self.kept)
        if key is None:
            return create()
        fingerprint = _fingerprint(request)
        with transaction.atomic():
            answer, is_own = services.key_take(
                owner=_owner(request), key=key, fingerprint=fingerprint
            )
            if not is_own:
                return _replayed(answer)
            response = create()
            _keep(answer, response, self.secrets)
        return response


class Creating(Keyed):
    """A view whose POST creates something, and may wait for the job behind it."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Wrap the POST that a view defines."""
        super().__init_subclass__(**options)
        if post := vars(cls).get("post"):
            described = extend_schema(parameters=[PREFER, APPLIED, KEY, _ANSWERED])(_once(post))
            cls.post = described  # type: ignore[attr-defined] # of the subclass

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Let the answer wait for the job that it tells of, if the client prefers that."""
        return await_created(request, super().finalize_response(request, response, *args, **kwargs))


def _once(post: Callable[..., Response]) -> Callable[..., Response]:
    @wraps(post)
    def wrapped(view: Creating, request: Request, *args: Any, **options: Any) -> Response:
        return view.once(request, partial(post, view, request, *args, **options))

    return wrapped


def _kept_answer(request: Request) -> KeptAnswer | None:
    """Find what was answered before; the body of a request with a new key is not even read."""
    key, owner = _key(request), _owner(request)
    if key is None or not selectors.key_is_known(owner, key):
        return None
    return selectors.answer_get(owner, key, _fingerprint(request))


def _owner(request: Request) -> User | None:
    return caller(request) if request.user.is_authenticated else None


def _key(request: Request) -> str | None:
    """Read the key: bare, or between quotes as a structured field's string; None without one."""
    raw: str | None = request.headers.get("Idempotency-Key")
    if raw is None:
        return None
    key = raw.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(key) > (most := settings.IDEMPOTENCY_KEY_MAX_CHARACTERS) or not _VISIBLE.fullmatch(key):
        raise InvalidKey(
            f"An Idempotency-Key has from 1 to {most} visible ASCII characters.",
            field="Idempotency-Key",
        )
    return key


def _fingerprint(request: Request) -> str:
    """Tell a request from any other by its method, path and body.

    The body is taken as it was understood, so that the boundary of a form or the order of names
    in an object does not matter. The digest is keyed: a sign-up's body holds a password.
    """
    data = request.data
    if isinstance(data, QueryDict):
        data = {name: [_part(value) for value in values] for name, values in data.lists()}
    whole = json.dumps([request.method, request.get_full_path(), data], sort_keys=True)
    return salted_hmac("turnpike.idempotency", whole, algorithm="sha256").hexdigest()


def _part(value: Any) -> list[Any]:
    """Describe one field of a form: a text, or a file by its name, type and content."""
    if not isinstance(value, UploadedFile):
        return [value]
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return [value.name, value.content_type, digest.hexdigest()]


def _keep(answer: KeptAnswer, response: Response, secrets: Collection[str]) -> None:
    headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
    body = json.loads(JSONRenderer().render(response.data) or "null")
    for name in secrets:
        body[name] = None
    services.answer_keep(answer=answer, status=response.status_code, headers=headers, body=body)


def _replayed(answer: KeptAnswer) -> Response:
    headers = {**answer.headers, "Idempotency-Replayed": "true"}
    return Response(answer.body, status=answer.status, headers=headers)
