"""Keys are taken once, by their owner, for a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.idempotency.models import KeptAnswer
from pipelines.idempotency.selectors import KeyReused, answer_get, key_is_known
from pipelines.idempotency.services import answer_keep, key_take
from pipelines.scheduler.pipeline import DELETE_JOBS
from pipelines.scheduler.retention import delete_old
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    """Somebody."""
    return UserFactory.create()


def _answered(owner: User | None, key: str = "k", fingerprint: str = "f") -> KeptAnswer:
    answer, is_own = key_take(owner=owner, key=key, fingerprint=fingerprint)
    assert is_own
    answer_keep(answer=answer, status=202, headers={"Location": "/there/"}, body={"n": 1})
    return answer


def _age(answer: KeptAnswer, **span: int) -> None:
    moment = timezone.now() - timedelta(**span)
    KeptAnswer.objects.filter(pk=answer.pk).update(created_at=moment)


def test_a_key_is_taken_once(owner: User) -> None:
    first = _answered(owner)

    again, is_own = key_take(owner=owner, key="k", fingerprint="f")

    assert (again.pk, is_own) == (first.pk, False)
    assert (again.status, again.headers, again.body) == (202, {"Location": "/there/"}, {"n": 1})


def test_a_key_serves_no_other_request(owner: User) -> None:
    _answered(owner)

    with pytest.raises(KeyReused):
        key_take(owner=owner, key="k", fingerprint="another")
    with pytest.raises(KeyReused):
        answer_get(owner, "k", "another")

    assert KeptAnswer.objects.get().fingerprint == "f"


def test_owners_share_no_keys(owner: User) -> None:
    other = UserFactory.create()
    _answered(owner)

    assert not key_is_known(other, "k")
    assert answer_get(other, "k", "f") is None
    assert not key_is_known(None, "k")
    _answered(other)
    _answered(None)
    assert KeptAnswer.objects.filter(key="k").count() == 3


def test_strangers_share_no_keys_unless_they_ask_the_same() -> None:
    first = _answered(None)

    _answered(None, fingerprint="another")

    assert key_take(owner=None, key="k", fingerprint="f") == (first, False)


def test_an_answer_that_created_nothing_frees_its_key(owner: User) -> None:
    answer, _ = key_take(owner=owner, key="k", fingerprint="f")

    answer_keep(answer=answer, status=409, headers={}, body=None)

    assert KeptAnswer.objects.count() == 0


def test_an_old_answer_counts_as_none(owner: User, settings: Settings) -> None:
    settings.IDEMPOTENCY_HOURS = 2
    answer = _answered(owner)
    _age(answer, minutes=119)
    assert key_is_known(owner, "k")
    _age(answer, minutes=121)

    assert not key_is_known(owner, "k")
    assert answer_get(owner, "k", "another") is None
    fresh, is_own = key_take(owner=owner, key="k", fingerprint="another")

    assert is_own
    assert KeptAnswer.objects.get().pk == fresh.pk


def test_old_answers_are_deleted(owner: User) -> None:
    _age(_answered(owner, "old"), hours=25)
    _age(_answered(None, "old"), hours=25)
    _age(_answered(owner, "new"), hours=23)

    *_, counts = delete_old(DELETE_JOBS)

    assert counts == {"idempotency.KeptAnswer": 2}
    assert KeptAnswer.objects.get().key == "new"


def test_answers_go_with_their_owner(owner: User) -> None:
    _answered(owner)

    owner.delete()

    assert KeptAnswer.objects.count() == 0
