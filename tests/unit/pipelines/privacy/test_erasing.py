"""An erasure: nothing of an account is left, and nothing of anybody else's is touched."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings

from pipelines.accounts.backends import UsernameOrEmailBackend
from pipelines.accounts.models import User
from pipelines.chat.services import turn_accept
from pipelines.core.errors import Conflict, InvalidInput
from pipelines.jobs.models import Artifact, Job
from pipelines.privacy.erasing import erase
from pipelines.privacy.services import account_close, account_erase
from tests.factories import PASSWORD, StaffFactory, UserFactory
from tests.unit.pipelines.privacy.conftest import Make


def _rows() -> Counter[str]:
    return Counter(
        {model._meta.label: model._default_manager.count() for model in apps.get_models()}
    )


def _erase(owner_id: UUID) -> int:
    *_, count = (0, *erase(owner_id))
    return count


def test_nothing_is_left_and_nothing_of_anothers_is_touched(make: Make) -> None:
    other = make("zinnia")
    before, kept = _rows(), set(Artifact.objects.values_list("key", flat=True))
    owner = make("amaranth")
    lost = set(Artifact.objects.exclude(key__in=kept).values_list("key", flat=True))
    assert lost

    job = account_close(user=owner)
    assert _erase(owner.pk) > 20

    job.delete()
    after = _rows()
    assert {label: after[label] for label in after if after[label] != before[label]} == {}
    assert not any(default_storage.exists(key) for key in lost)
    assert all(default_storage.exists(key) for key in kept)
    assert User.objects.get() == other


def test_it_is_done_in_batches_and_goes_on_where_it_was(make: Make, settings: Settings) -> None:
    settings.RETENTION_BATCH = 1
    owner = make("amaranth")
    account_close(user=owner)
    for _ in range(5):
        next(iter(erase(owner.pk)))  # and here its worker is killed
    assert _erase(owner.pk) > 0
    assert _erase(owner.pk) == 0
    assert not User.objects.filter(pk=owner.pk).exists()


def test_an_account_that_is_not_closed_is_not_erased(make: Make) -> None:
    owner = make("amaranth")
    before = _rows()
    assert _erase(owner.pk) == 0
    assert _rows() == before


def test_closing_ends_every_credential_and_frees_the_names(make: Make) -> None:
    owner = make("amaranth")
    name, email = owner.username, owner.email
    job = account_close(user=owner)
    assert UsernameOrEmailBackend().authenticate(None, name, PASSWORD) is None
    owner.refresh_from_db()
    assert (owner.is_active, owner.email) == (False, "")
    assert not owner.apikeys.exists()
    assert all(endpoint.disabled_at for endpoint in owner.endpoints.all())
    assert (job.owner, job.input["owner_id"]) == (None, str(owner.pk))
    assert UserFactory.create(username=name, email=email).pk != owner.pk


def test_an_account_is_closed_once(make: Make) -> None:
    owner = make("amaranth")
    account_close(user=owner)
    with pytest.raises(Conflict):
        account_close(user=owner)
    assert Job.objects.filter(kind="privacy.erasure").count() == 1


def test_a_turn_that_comes_at_the_last_moment_goes_too(make: Make) -> None:
    owner = make("amaranth")
    account_close(user=owner)
    late = False
    for _ in erase(owner.pk):
        if not late and not Job.objects.filter(owner=owner).exists():
            late = bool(turn_accept(owner=owner, message="A late one"))
    assert late
    assert not User.objects.filter(pk=owner.pk).exists()
    assert not Job.objects.exclude(kind="privacy.erasure").exists()


def test_sessions_and_notes_of_the_admin_go_too(make: Make) -> None:
    owner, other = make("amaranth"), make("zinnia")
    for user in (owner, other):
        client = Client()
        client.force_login(user)
        LogEntry.objects.create(
            user=StaffFactory.create(),
            content_type=ContentType.objects.get_for_model(User),
            object_id=str(user.pk),
            object_repr=user.username,
            action_flag=CHANGE,
        )
    account_close(user=owner)
    _erase(owner.pk)
    assert [row.get_decoded()["_auth_user_id"] for row in Session.objects.all()] == [str(other.pk)]
    assert LogEntry.objects.get().object_id == str(other.pk)


@pytest.mark.django_db
def test_a_wrong_password_closes_nothing() -> None:
    user = UserFactory.create()
    with pytest.raises(InvalidInput):
        account_erase(user=user, password="wrong")
    assert Job.objects.count() == 0
    account_erase(user=user, password=PASSWORD)


@pytest.mark.django_db
def test_an_account_without_a_password_needs_none() -> None:
    user = UserFactory.create()
    user.set_unusable_password()
    user.save()
    assert account_erase(user=user, password="").kind == "privacy.erasure"


@pytest.mark.django_db
def test_staff_are_not_erased() -> None:
    with pytest.raises(Conflict):
        account_erase(user=StaffFactory.create(), password=PASSWORD)
