"""Letters: the same work is ordered for any address, and only its owner is written to."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import resolve

from pipelines.core.steps import pipeline
from pipelines.jobs.models import Job
from pipelines.letters.services import letter_request, letter_write
from pipelines.letters.texts import BY_ADDRESS, VERIFICATION, Letter
from pipelines.mail.models import Email
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", BY_ADDRESS)
def test_a_letter_goes_to_the_address_of_the_account(name: str) -> None:
    user = UserFactory.create()
    email = letter_write(job=letter_request(name=name, email=user.email.upper()))
    assert email is not None
    assert (email.to, email.owner, email.subject) == (user.email, user, BY_ADDRESS[name].subject)
    assert f"{settings.PUBLIC_URL}{BY_ADDRESS[name].path}?token=" in email.text


@pytest.mark.parametrize("name", BY_ADDRESS)
def test_nobody_is_not_written_to(name: str) -> None:
    closed = UserFactory.create(is_active=False)
    for address in (closed.email, "nobody@example.org", ""):
        job = letter_request(name=name, email=address)
        assert letter_write(job=job) is None
        job.refresh_from_db()
        assert job.input == {"letter": name}
    assert Email.objects.count() == 0


def test_an_order_looks_alike_whoever_it_is_for() -> None:
    user = UserFactory.create()
    jobs = [letter_request(name="reset", email=to) for to in (user.email, "nobody@example.org")]
    assert {(job.kind, job.owner) for job in jobs} == {("letters.letter", None)}
    assert Job.objects.count() == 2
    assert [step.name for step in pipeline("letters.letter").steps] == ["letters.write"]


@pytest.mark.parametrize("letter", [VERIFICATION, *BY_ADDRESS.values()], ids=lambda it: it.path)
def test_links_lead_somewhere(letter: Letter) -> None:
    assert resolve(letter.path).route == letter.path.removeprefix("/")
