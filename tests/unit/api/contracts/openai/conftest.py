"""A client with an API key, as OpenAI's package is one."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from pipelines.api_keys.models import Scope
from pipelines.api_keys.services import api_key_create
from tests.factories import UserFactory


def program(owner: User, *scopes: Scope, has_retrieval: bool = False) -> APIClient:
    """A client that shows a new key of an owner's."""
    _, text = api_key_create(
        owner=owner, name="sdk", scopes=scopes or (Scope.OPENAI,), has_retrieval=has_retrieval
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


@pytest.fixture
def sdk(user: User) -> APIClient:
    """Somebody's program."""
    return program(user)


@pytest.fixture
def foreign(db: None) -> APIClient:
    """Another's program."""
    return program(UserFactory.create())
