"""Who may do what: every route, asked by everybody, answers as one table says.

The table has a row a route and a column a caller. A new route without a row fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from pipelines.accounts.models import User
from pipelines.accounts.services import password_set
from pipelines.api_keys.models import Scope
from pipelines.api_keys.services import api_key_create, api_key_revoke
from pipelines.batches.services import batch_accept
from pipelines.chat.models import Role
from pipelines.chat.services import turn_accept
from pipelines.responses.services import Asked, Said, response_accept
from pipelines.webhooks.services import endpoint_create, endpoint_ping
from tests.factories import (
    PASSWORD,
    ArtifactFactory,
    DocumentFactory,
    ReportFactory,
    StaffFactory,
    UserFactory,
)
from tests.unit.api.routes import routes

TABLE = Path(__file__).with_name("matrix.txt")
CALLERS = ("anonymous", "owner", "another", "staff", "expired", "revoked", "wrong_scope")
_TURN = {"message": "Who pays?"}
_SAID = [{"role": "user", "content": "Who pays?"}]
_ADA = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
# What is sent, where an empty object would only be called poor.
BODIES: dict[str, Mapping[str, Any]] = {
    "POST /api/accounts/login": {"username": "nobody", "password": "wrong"},
    "POST /api/accounts/register": _ADA,
    "PATCH /api/accounts/profile": {"bio": "Counts."},
    "POST /api/auth/login": {"username": "nobody", "password": "wrong"},
    "POST /api/auth/signup": _ADA,
    "POST /api/chat": _TURN,
    "POST /api/chat/": _TURN,
    "POST /api/chat/conversations/<conversation_id>/message": _TURN,
    "PUT /api/conversations/<conversation_id>/rename": {"title": "Tolls"},
    "POST /api/login": {"username": "nobody", "password": "wrong"},
    "POST /api/register": {"username": "ada", "password": PASSWORD},
    "POST /api/v1/accounts/": {"email": "ada@example.org", "password": PASSWORD},
    "POST /api/v1/accounts/login": {"username": "nobody", "password": "wrong"},
    "DELETE /api/v1/accounts/me/": {"password": PASSWORD},
    "PATCH /api/v1/accounts/me/": {"bio": "Counts."},
    "PUT /api/v1/accounts/me/password/": {"old_password": PASSWORD, "new_password": PASSWORD + "!"},
    "POST /api/v1/accounts/password-resets/": {"email": "ada@example.org"},
    "POST /api/v1/accounts/register": {
        "username": "ada",
        "email": "ada@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
    },
    "POST /api/v1/accounts/sign-in-links/": {"email": "ada@example.org"},
    "POST /api/v1/api-keys/": {"name": "ci", "scopes": ["read"]},
    "POST /api/v1/batches/": {"turns": [_TURN]},
    "POST /api/v1/chat": _TURN,
    "PATCH /api/v1/conversations/<conversation_id>/": {"title": "Tolls"},
    "POST /api/v1/dead-letters/replay/": {"ids": []},
    "POST /api/v1/knowledge/collections/": {"name": "Tolls"},
    "POST /api/v1/knowledge/search/": {"query": "tolls"},
    "POST /api/v1/reports/": {"title": "Tolls", "content": "# Tolls"},
    "POST /api/v1/session/": {"username": "nobody", "password": "wrong"},
    "POST /api/v1/tokens/": {"username": "nobody", "password": "wrong"},
    "POST /api/v1/turns/": _TURN,
    "POST /api/v1/webhooks/endpoints/": {"url": "https://example.com", "events": ["job.failed"]},
    "PATCH /api/v1/webhooks/endpoints/<endpoint_id>/": {"events": ["job.failed"]},
    "POST /v1/chat/completions": {"messages": _SAID},
    "POST /v1/conversations/<conversation_id>": {"metadata": {"a": "b"}},
    "POST /v1/conversations/<conversation_id>/items": {"items": _SAID},
    "POST /v1/embeddings": {"input": "tolls"},
    "POST /v1/responses": {"input": "Who pays?", "background": True},
}


def table() -> dict[str, tuple[int, ...]]:
    """Read the rows: a method, a path, and a status for each of CALLERS."""
    lines = [line.split() for line in TABLE.read_text().splitlines()]
    rows = [words for words in lines if words and not words[0].startswith("#")]
    return {f"{method} {path}": tuple(map(int, codes)) for method, path, *codes in rows}


ROWS = table()


def test_every_route_has_its_row() -> None:
    assert routes() - ROWS.keys() == set()
    assert ROWS.keys() - routes() == set()


@dataclass(frozen=True)
class World:
    """An owner with one of everything, and the ids by which a path names them."""

    owner: User
    names: Mapping[str, str]


@pytest.fixture
def world(db: None) -> World:
    owner = UserFactory.create()
    turn = turn_accept(owner=owner, message="Who pays?")
    document = DocumentFactory.create(collection__owner=owner)
    endpoint = endpoint_create(owner=owner, url="https://example.com/", events=["job.failed"])
    said = (Said(Role.USER, "Who pays?"),)
    response = response_accept(
        owner=owner, asked=Asked(said=said, model="sandbox-1", is_background=True)
    )
    return World(
        owner,
        {
            "api_key_id": str(api_key_create(owner=owner, name="ci", scopes=[Scope.READ])[0].pk),
            "batch_id": str(batch_accept(owner=owner, turns=[{"message": "Who pays?"}]).pk),
            "conversation_id": str(turn.conversation.pk),
            "session_id": str(turn.conversation.pk),
            "job_id": str(ArtifactFactory.create(job=turn.job).job_id),
            "name": "report.pdf",
            "collection_id": str(document.collection_id),
            "document_id": str(document.pk),
            "report_id": str(ReportFactory.create(owner=owner).pk),
            "endpoint_id": str(endpoint.pk),
            "delivery_id": str(endpoint_ping(endpoint=endpoint).pk),
            "response_id": f"resp_{response.pk.hex}",
            "item_id": f"msg_{turn.message.pk.hex}",
            "token": "nonsense",
        },
    )


def _is_page(path: str) -> bool:
    """Whether people come here in a browser, with a session."""
    return not path.startswith(("/api/", "/v1"))


def _client(user: User, path: str, *scopes: Scope) -> APIClient:
    """An account's client: with a session on a page, with a key under /v1, else with a token."""
    client = APIClient()
    if _is_page(path):
        client.force_login(user)
    elif scopes or path.startswith("/v1"):
        _, text = api_key_create(owner=user, name="ci", scopes=scopes or [Scope.OPENAI])
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    else:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
    return client


def _expired(user: User, path: str) -> APIClient:
    client = _client(user, path)
    if _is_page(path):
        client.session.flush()
        return client
    token = AccessToken.for_user(user)
    token.set_exp(from_time=timezone.now() - timedelta(days=2))
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def _revoked(user: User, path: str) -> APIClient:
    client = _client(user, path)
    if _is_page(path):
        password_set(user=user, password="another quiet password")
        return client
    key, text = api_key_create(owner=user, name="ci", scopes=list(Scope))
    api_key_revoke(api_key=key)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def _lacking(user: User, route: str) -> APIClient:
    """A client whose key has every scope but the one that a route needs; pages take no key."""
    method, path = route.split()
    needed = Scope.READ if method == "GET" else Scope.WRITE
    needed = Scope.OPENAI if path.startswith("/v1") else needed
    scopes = [scope for scope in Scope if scope != needed]
    return APIClient() if _is_page(path) else _client(user, path, *scopes)


def _address(route: str, names: Mapping[str, str]) -> str:
    path = route.split()[1]
    for name, value in names.items():
        is_openai = path.startswith("/v1") and name == "conversation_id"
        said = f"conv_{value.replace('-', '')}" if is_openai else value
        path = path.replace(f"<{name}>", said)
    return path


def _ask(client: APIClient, route: str, address: str) -> int:
    """Send one request, and undo whatever it did."""
    method = route.split(maxsplit=1)[0].lower()
    body = None if method == "get" else BODIES.get(route, {})
    with transaction.atomic():
        answer = getattr(client, method)(address, body, format="json")
        transaction.set_rollback(True)
    answer.close()
    return int(answer.status_code)


@pytest.mark.parametrize("route", sorted(ROWS))
def test_each_caller_gets_what_the_table_says(world: World, route: str) -> None:
    path, address = route.split()[1], _address(route, world.names)
    clients = {
        "anonymous": APIClient(),
        "owner": _client(world.owner, path),
        "another": _client(UserFactory.create(), path),
        "staff": _client(StaffFactory.create(), path),
        "expired": _expired(world.owner, path),
        "wrong_scope": _lacking(world.owner, route),
    }
    got = {caller: _ask(client, route, address) for caller, client in clients.items()}
    got["revoked"] = _ask(_revoked(world.owner, path), route, address)
    assert got == dict(zip(CALLERS, ROWS[route], strict=True))


def test_an_id_of_anothers_reads_as_one_that_is_not_there(world: World) -> None:
    """Each route with ids answers another's word for word as it answers unknown ones."""
    strangers = {name: str(uuid4()) for name in world.names} | {"name": "report.pdf"}
    client = _client(UserFactory.create(), "/api/")
    for route in sorted(ROWS):
        if "_id>" in route and not route.split()[1].startswith("/v1"):
            send = getattr(client, route.split()[0].lower())
            texts = {
                send(_address(route, names), BODIES.get(route, {}), format="json").content
                for names in (world.names, strangers)
            }
            assert len(texts) == 1, route
