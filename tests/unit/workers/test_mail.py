"""One e-mail is sent once, or is uncertain, or was certainly refused and may be sent again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from django.utils import timezone

from pipelines.accounts.models import User
from pipelines.core.errors import PermanentError, StaleAttempt, TransientError, TurnpikeError
from pipelines.jobs.claims import step_claim
from pipelines.jobs.models import JobStep
from pipelines.jobs.services import job_replay
from pipelines.mail.models import Email
from pipelines.mail.pipeline import SEND
from pipelines.mail.sending import email_resolve, email_transmitting
from pipelines.mail.services import email_queue
from workers import configured, mail
from workers.base import Run, execute
from workers.engines.mailer import Outgoing, Receipt, SendUncertain


@dataclass
class FakeMailer:
    """Sends into a list; raises what it is told to, before or after transmitting."""

    name: str = "fake"
    idempotent: bool = False
    after: list[TurnpikeError] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    known: Receipt | None = None

    def send(self, mail: Outgoing, *, transmitting: Callable[[], None]) -> Receipt:
        """Send, or raise the next error."""
        transmitting()
        if self.after:
            raise self.after.pop(0)
        self.sent.append(mail.message_id)
        return Receipt("fake", f"id-{len(self.sent)}")

    def find(self, message_id: str, *, to: str, since: datetime) -> Receipt | None:
        """Look into the provider's log."""
        return self.known


@pytest.fixture
def mailer(monkeypatch: pytest.MonkeyPatch) -> FakeMailer:
    fake = FakeMailer()
    monkeypatch.setattr(configured, "mailer", lambda: fake)
    return fake


@pytest.fixture
def email(db: None) -> Email:
    owner = User.objects.create(username="ada", email="ada@example.com")
    return email_queue(owner=owner, to=owner.email, subject="Hello", text="Hello.")


def _deliver(email: Email) -> None:
    assert email.job is not None
    email.job.refresh_from_db()
    JobStep.objects.filter(job=email.job).exclude(ready_at=None).update(ready_at=timezone.now())
    with suppress(TurnpikeError):
        execute(SEND, mail.send, email.job.pk, email.job.epoch, "w", "t")
    email.refresh_from_db()
    email.job.refresh_from_db()


def test_what_was_accepted_is_sent(mailer: FakeMailer, email: Email) -> None:
    _deliver(email)

    assert email.job is not None
    assert (email.state, email.provider_id, email.job.state) == ("sent", "id-1", "completed")
    assert mailer.sent == [email.message_id]


@pytest.mark.parametrize("error", [PermanentError("554"), TransientError("451")])
def test_a_certain_refusal_can_be_sent_again(
    mailer: FakeMailer, email: Email, error: TurnpikeError
) -> None:
    mailer.after = [error]
    _deliver(email)
    assert email.job is not None
    if email.job.state == "failed":
        assert email.state == "failed"
        job_replay(job_id=email.job.pk)
    else:
        assert email.state == "queued"

    _deliver(email)

    assert (email.state, email.job.state) == ("sent", "completed")
    assert mailer.sent == [email.message_id]


def test_an_uncertain_sending_is_not_repeated_until_staff_say_so(
    mailer: FakeMailer, email: Email
) -> None:
    mailer.after = [SendUncertain("cut")]
    _deliver(email)
    assert email.job is not None
    assert (email.state, email.job.error_code) == ("uncertain", "mail_uncertain")

    job_replay(job_id=email.job.pk)
    _deliver(email)
    assert (email.state, mailer.sent) == ("uncertain", [])

    assert email_resolve(email_id=email.pk, arrived=False) is True
    job_replay(job_id=email.job.pk)
    _deliver(email)
    assert (email.state, mailer.sent) == ("sent", [email.message_id])
    assert email_resolve(email_id=email.pk, arrived=False) is False


def test_what_was_sent_meanwhile_is_not_sent_again(mailer: FakeMailer, email: Email) -> None:
    assert email.job is not None
    claim = step_claim(job_id=email.job.pk, epoch=1, name=SEND.name, worker="w", task_id="t")
    Email.objects.update(state="sent")  # by an earlier attempt, which had stalled

    with pytest.raises(StaleAttempt):
        email_transmitting(email=email, claim=claim)

    email.refresh_from_db()
    assert email.state == "sent"


def test_a_refusal_says_nothing_of_what_an_earlier_attempt_may_have_sent(
    mailer: FakeMailer, email: Email
) -> None:
    Email.objects.update(state="sending")
    mailer.idempotent = True
    mailer.after = [PermanentError("554")]

    _deliver(email)

    assert (email.state, mailer.sent) == ("uncertain", [])


def test_what_the_providers_log_shows_is_not_sent_again(mailer: FakeMailer, email: Email) -> None:
    Email.objects.update(state="sending")
    mailer.known = Receipt("fake", "id-earlier")

    _deliver(email)

    assert (email.state, email.provider_id, mailer.sent) == ("sent", "id-earlier", [])


def test_a_transport_that_recognises_its_mail_is_simply_asked_again(
    mailer: FakeMailer, email: Email
) -> None:
    Email.objects.update(state="sending")
    mailer.idempotent = True

    _deliver(email)

    assert (email.state, mailer.sent) == ("sent", [email.message_id])


def test_an_attempt_that_lost_its_step_may_not_transmit(mailer: FakeMailer, email: Email) -> None:
    assert email.job is not None
    claim = step_claim(job_id=email.job.pk, epoch=1, name=SEND.name, worker="w", task_id="t")
    JobStep.objects.update(attempt=2)

    with pytest.raises(TurnpikeError):
        mail.send(Run(claim))

    email.refresh_from_db()
    assert (email.state, mailer.sent) == ("queued", [])
