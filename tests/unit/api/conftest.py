"""Clients that speak to the real routes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.apps import apps
from rest_framework.test import APIClient

from pipelines.accounts.models import User
from tests.factories import UserFactory

Rows = Callable[[], dict[str, int]]


@pytest.fixture
def user(db: None) -> User:
    """Somebody with an account."""
    return UserFactory.create()


@pytest.fixture
def client(user: User) -> APIClient:
    """That somebody's client."""
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def anonymous(db: None) -> APIClient:
    """A client without a credential."""
    return APIClient()


@pytest.fixture
def stranger(db: None) -> APIClient:
    """Another somebody's client."""
    client = APIClient()
    client.force_authenticate(UserFactory.create())
    return client


@pytest.fixture
def rows(db: None) -> Rows:
    """Count the rows of every table, to show that a refusal wrote nothing."""
    return lambda: {
        model._meta.label: model._default_manager.count() for model in apps.get_models()
    }
