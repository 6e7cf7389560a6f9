"""One e-mail is sent once or is uncertain, wherever its worker dies, stalls or is refused."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from uuid import UUID

import pytest
from celery.exceptions import Ignore
from django.conf import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from pipelines.accounts.models import User
from pipelines.core.errors import PermanentError, TransientError, TurnpikeError
from pipelines.jobs import relay
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel, job_replay
from pipelines.jobs.states import ACTIVE, JobState
from pipelines.mail import sending
from pipelines.mail.models import Email, EmailState
from pipelines.mail.pipeline import SEND
from pipelines.mail.services import email_queue
from tests.machines import DurableMachine, check_machine, committed
from workers import base, configured, mail
from workers.engines.mailer import Outgoing, Receipt, SendUncertain
from workers.leases import LeaseKeeper

MOST_EMAILS = 8
NUMBERS = st.integers(0, MOST_EMAILS)
# What happens to one sending: before the first byte, before the accept, and after it.
SENDINGS = (
    "accepted",
    "dies at once",
    "dies before the accept",
    "dies after the accept",
    "dies after the write",
    "stalls at once",
    "stalls before the accept",
    "stalls after the accept",
    "refused",
    "busy",
    "cut before the accept",
    "cut after the accept",
)
# What two workers of one e-mail can do to each other, and a provider to what it knows already.
TANGLES = (
    ["stalls at once", "cut after the accept"],
    ["stalls at once", "dies after the accept"],
    ["stalls before the accept", "accepted"],
    ["dies after the accept", "refused"],
    ["dies after the accept", "busy", "accepted"],
)
SCRIPTS = st.lists(st.sampled_from(SENDINGS), min_size=1, max_size=4) | st.sampled_from(TANGLES)


class DiedError(BaseException):
    """The process was killed; nothing in it can catch that."""


class Provider:
    """Accepts e-mails as it is told to; recognises one that it has, if it is idempotent."""

    name = "fake"
    idempotent = False
    # Whether it can be asked what it accepted: "yes", "no", or "down" for now.
    log = "no"

    def __init__(self, stall: Callable[[], None]) -> None:
        self.script: list[str] = []
        self.accepted: Counter[str] = Counter()
        self.dies_after_the_write = False
        self._stall = stall

    def send(self, mail: Outgoing, *, transmitting: Callable[[], None]) -> Receipt:
        """Follow the script."""
        what = self.script.pop(0) if self.script else "accepted"
        self._happen(what, "at once")
        transmitting()
        self._happen(what, "before the accept")
        if what == "refused":
            raise PermanentError("554")
        if what == "busy":
            raise TransientError("451")
        if not (self.idempotent and self.accepted[mail.message_id]):
            self.accepted[mail.message_id] += 1
        self._happen(what, "after the accept")
        self.dies_after_the_write = what == "dies after the write"
        return Receipt(self.name, f"id-{mail.message_id}")

    def _happen(self, what: str, point: str) -> None:
        if what == f"dies {point}":
            raise DiedError
        if what == f"cut {point}":
            raise SendUncertain("cut")
        if what == f"stalls {point}":
            self._stall()

    def find(self, message_id: str, *, to: str, since: datetime) -> Receipt | None:
        """Look into the log."""
        if self.log == "down":
            raise TransientError("no answer")
        is_known = self.log == "yes" and self.accepted[message_id]
        return Receipt(self.name, f"id-{message_id}") if is_known else None


class MailMachine(DurableMachine):
    """A few e-mails, their provider, their workers, and staff."""

    def __init__(self) -> None:
        super().__init__()
        self.provider = Provider(self.others_go_on)
        self.seen: dict[UUID, tuple[str, str]] = {}
        # How often staff said that an e-mail did not arrive, or did.
        self.denied: Counter[UUID] = Counter()
        self.confirmed: Counter[UUID] = Counter()
        keeper = LeaseKeeper()
        keeper._thread = threading.current_thread()  # the leases are the machine's
        patch = self.until_the_end.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(base, "keeper", lambda: keeper)
        patch.setattr(configured, "mailer", lambda: self.provider)
        write = sending.email_sent

        def email_sent(*, email: Email, transport: str, provider_id: str) -> None:
            write(email=email, transport=transport, provider_id=provider_id)
            if self.provider.dies_after_the_write:
                raise DiedError

        patch.setattr(sending, "email_sent", email_sent)

    @initialize(idempotent=st.booleans(), log=st.sampled_from(("yes", "no")))
    def begin(self, idempotent: bool, log: str) -> None:
        """Choose the provider's habits."""
        self.provider.idempotent, self.provider.log = idempotent, log
        self.owner = User.objects.create(username="ada", email="ada@example.com")

    @rule(number=NUMBERS, script=SCRIPTS, is_new=st.booleans())
    def work(self, number: int, script: list[str], is_new: bool) -> None:
        """Deliver what comes; the script tells the fate of one sending after another."""
        if len(self.seen) < MOST_EMAILS and (is_new or not self.broker.messages()):
            with committed():
                email_queue(owner=self.owner, to=self.owner.email, subject="Hello", text="Hello.")
        self.provider.script = list(script)
        for _ in script:
            if self.provider.script and self.broker.messages():
                self._work(number)
                self.an_email_is_sent_once_or_uncertain()
                self.wait()
        self.provider.script = []

    def _work(self, number: int) -> None:
        waiting = self.broker.messages()
        message = waiting[number % len(waiting)]
        self.broker.take(message)
        with committed(), suppress(TurnpikeError, Ignore, DiedError):
            base.execute(SEND, mail.send, message.job_id, message.epoch, "w", "t")

    def others_go_on(self) -> None:
        """While one worker stalls, its lease runs out and another one is given its step."""
        self.wait()
        if self.broker.messages():
            self._work(0)

    def wait(self) -> None:
        """Time passes: leases run out, retries fall due, and the relay sends what is ready."""
        for seconds in (settings.LEASE_SECONDS + 1, SEND.retry.ceiling + 1):
            self.clock.move(seconds)
            with committed():
                relay.tick()

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        """Cancel an e-mail's job."""
        if ids := self._jobs(*ACTIVE):
            with committed():
                job_cancel(job_id=ids[number % len(ids)])

    @precondition(lambda self: self._jobs(JobState.FAILED))
    @rule(number=NUMBERS)
    def replay(self, number: int) -> None:
        """Replay a dead letter."""
        ids = self._jobs(JobState.FAILED)
        with committed():
            job_replay(job_id=ids[number % len(ids)])

    def _jobs(self, *states: str) -> list[UUID]:
        return list(
            Job.objects.filter(state__in=states).order_by("pk").values_list("pk", flat=True)
        )

    @precondition(lambda self: self._emails())
    @rule(number=NUMBERS, arrived=st.booleans(), is_replayed=st.booleans())
    def resolve(self, number: int, arrived: bool, is_replayed: bool) -> None:
        """Staff say what became of an e-mail, rightly or wrongly; only doubt can be resolved."""
        # Those in doubt come first, and so more often.
        emails = sorted(self._emails(), key=lambda email: email.state != EmailState.UNCERTAIN)
        email = emails[number % len(emails)]
        resolved = sending.email_resolve(email_id=email.pk, arrived=arrived)
        assert resolved == (email.state == EmailState.UNCERTAIN)
        (self.confirmed if arrived else self.denied)[email.pk] += resolved
        if is_replayed and resolved and email.job_id in self._jobs(JobState.FAILED):
            with committed():
                job_replay(job_id=email.job_id)

    def _emails(self) -> list[Email]:
        return list(Email.objects.order_by("pk"))

    @rule(log=st.sampled_from(("yes", "no", "down")))
    def change_the_providers_log(self, log: str) -> None:
        """What can be asked of the provider changes."""
        self.provider.log = log

    @invariant()
    def an_email_is_sent_once_or_uncertain(self) -> None:
        """What was sent is never sent again unless staff said that it did not arrive."""
        for email in Email.objects.select_related("job"):
            state, message_id = self.seen.get(email.pk, (EmailState.QUEUED, email.message_id))
            sent, denied = self.provider.accepted[message_id], self.denied[email.pk]
            assert email.message_id == message_id
            assert sent <= 1 + denied
            if state == EmailState.SENT:
                assert email.state == EmailState.SENT
            if email.state == EmailState.SENT:
                assert sent or self.confirmed[email.pk]
            if email.state in {EmailState.QUEUED, EmailState.FAILED}:
                assert not sent or denied, "it was sent, and nobody would know"
            if email.job is not None and email.job.state not in ACTIVE:
                assert email.state not in {EmailState.QUEUED, EmailState.SENDING}
            self.seen[email.pk] = (email.state, message_id)
        known = {message_id for _, message_id in self.seen.values()}
        assert set(self.provider.accepted) <= known

    def drain(self) -> None:
        """Every job reaches an end."""
        self.provider.log = "yes"
        for _ in range(20):
            self.wait()
            while self.broker.messages():
                self._work(0)
                self.an_email_is_sent_once_or_uncertain()
            if not self._jobs(*ACTIVE):
                return
        raise AssertionError("some jobs never ended")


@pytest.mark.slow
@pytest.mark.timeout(3600)  # for the long profile
@pytest.mark.django_db
def test_an_email_is_sent_once_or_is_uncertain() -> None:
    check_machine(MailMachine)
