"""What a turn costs its owner, however it ends."""

from __future__ import annotations

import inspect

import pytest
from pytest_django import Settings

from pipelines.accounts.models import User
from pipelines.chat.charging import PASSAGE_CHARACTERS, most_used
from pipelines.chat.models import Conversation, Message
from pipelines.chat.pipeline import FINISH, GENERATE
from pipelines.chat.services import Turn, reply_record, turn_accept
from pipelines.core.errors import InsufficientCredits, PermanentError
from pipelines.credits.models import Balance, Entry
from pipelines.credits.selectors import faults
from pipelines.credits.services import account_meter, account_open, credits_grant
from pipelines.jobs.claims import Claim, step_claim, step_give_up, step_progress, step_recording
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_cancel, job_replay
from tests.factories import UserFactory
from tests.unit.pipelines.credits.conftest import balance, lines

BEGIN = 10_000


@pytest.fixture
def owner(db: None) -> User:
    """Somebody who can pay for a few turns."""
    owner = UserFactory.create()
    credits_grant(owner=owner, amount=BEGIN)
    return owner


@pytest.fixture
def flat(settings: Settings) -> None:
    """Each turn costs 100."""
    settings.CREDITS_MODE, settings.CREDITS_PER_TURN = "flat", 100


@pytest.fixture
def by_usage(settings: Settings) -> int:
    """A token read costs 1 and one written 2; what a turn may cost at most."""
    settings.CREDITS_MODE = "usage"
    settings.CREDITS_PER_1K_INPUT_TOKENS = 1000
    settings.CREDITS_PER_1K_OUTPUT_TOKENS = 2000
    settings.CONTEXT_MAX_CHARACTERS = settings.MESSAGE_MAX_CHARACTERS = 100
    settings.RETRIEVE_PASSAGES, settings.REPLY_MAX_TOKENS = 1, 50
    settings.CHAT_INSTRUCTIONS = "x" * 45
    return 100 + PASSAGE_CHARACTERS + 45 + 2 * 50


def _claim(job: Job, step: str = GENERATE.name) -> Claim:
    return step_claim(job_id=job.pk, epoch=job.epoch, name=step, worker="w", task_id="t")


def _generate(job: Job, *, read: int = 30, written: int = 7) -> None:
    with step_recording(_claim(job)) as outcome:
        outcome.output = {"input_tokens": read, "output_tokens": written}


def _finish(turn: Turn) -> None:
    with step_recording(_claim(turn.job, FINISH.name)):
        reply_record(
            question=turn.message,
            content="…",
            citations=[],
            provider="sandbox",
            model="m",
            input_tokens=30,
            output_tokens=7,
        )


def _fail(job: Job, step: str = GENERATE.name) -> None:
    step_give_up(_claim(job, step), PermanentError())


def test_a_flat_turn_costs_its_price(owner: User, flat: None) -> None:
    turn = turn_accept(owner=owner, message="hello")
    assert balance(owner) == (BEGIN - 100, 100)

    _generate(turn.job)
    _finish(turn)

    assert balance(owner) == (BEGIN - 100, 0)
    assert lines(owner)[1:] == [("reserve", -100), ("release", 100), ("settle", -100)]


def test_a_turn_by_usage_reserves_the_most_and_pays_for_what_it_used(
    owner: User, by_usage: int
) -> None:
    turn = turn_accept(owner=owner, message="hello")
    assert balance(owner) == (BEGIN - by_usage, by_usage)

    _generate(turn.job)
    _finish(turn)

    assert balance(owner) == (BEGIN - 30 - 14, 0)
    assert Entry.objects.get(kind="settle").job_id == turn.job.pk


def test_more_than_was_reserved_is_never_charged(owner: User, by_usage: int) -> None:
    turn = turn_accept(owner=owner, message="hello")
    _generate(turn.job, read=10**9)

    _finish(turn)

    assert balance(owner) == (BEGIN - by_usage, 0)


def test_nothing_is_written_while_credits_are_off(owner: User) -> None:
    turn = turn_accept(owner=owner, message="hello")
    _generate(turn.job)
    _finish(turn)
    job_cancel(job_id=turn_accept(owner=owner, message="again").job.pk)

    assert balance(owner) == (BEGIN, 0)
    assert Entry.objects.count() == 1


def test_what_is_held_is_closed_though_credits_were_switched_off(
    owner: User, flat: None, settings: Settings
) -> None:
    turn = turn_accept(owner=owner, message="hello")
    settings.CREDITS_MODE = "off"

    _generate(turn.job)
    _finish(turn)

    assert balance(owner) == (BEGIN, 0)


def test_a_turn_that_cannot_be_paid_for_leaves_nothing(owner: User, flat: None) -> None:
    credits_grant(owner=owner, amount=99 - BEGIN)

    with pytest.raises(InsufficientCredits, match="This takes 100 credits, and 99 can be spent"):
        turn_accept(owner=owner, message="hello")

    assert [model.objects.count() for model in (Job, Message, Conversation)] == [0, 0, 0]
    assert balance(owner) == (99, 0)


def test_a_refused_turn_leaves_its_conversation_as_it_was(owner: User, flat: None) -> None:
    first = turn_accept(owner=owner, message="one")
    credits_grant(owner=owner, amount=100 - BEGIN)

    with pytest.raises(InsufficientCredits):
        turn_accept(owner=owner, message="two", conversation_id=first.conversation.pk)

    conversation = Conversation.objects.get()
    assert (conversation.next_position, conversation.messages.count()) == (2, 1)


def test_a_turn_that_waits_is_cancelled_for_nothing(owner: User, flat: None) -> None:
    turn = turn_accept(owner=owner, message="hello")

    job_cancel(job_id=turn.job.pk)
    job_cancel(job_id=turn.job.pk)

    assert balance(owner) == (BEGIN, 0)
    assert lines(owner)[1:] == [("reserve", -100), ("release", 100)]


@pytest.mark.parametrize(
    ("progress", "charged"),
    [
        ({}, 0),
        ({"input_tokens": 30, "output_tokens": 0}, 0),
        ({"output_tokens": 1}, 100),
        ({"response_id": "resp_1"}, 100),
        ({"response_id": None}, 0),
    ],
)
def test_a_flat_turn_is_paid_for_once_its_generation_has_begun(
    owner: User, flat: None, progress: dict[str, object], charged: int
) -> None:
    turn = turn_accept(owner=owner, message="hello")
    step_progress(_claim(turn.job), **progress)

    job_cancel(job_id=turn.job.pk)

    assert balance(owner) == (BEGIN - charged, 0)


@pytest.mark.parametrize(
    ("progress", "charged"),
    [
        ({}, 0),
        ({"response_id": "resp_1"}, 0),
        ({"response_id": "resp_1", "input_tokens": 30, "output_tokens": 0}, 30),
        ({"input_tokens": 30, "output_tokens": 4}, 38),
    ],
)
def test_a_cancelled_turn_pays_for_the_tokens_until_then(
    owner: User, by_usage: int, progress: dict[str, object], charged: int
) -> None:
    turn = turn_accept(owner=owner, message="hello")
    step_progress(_claim(turn.job), **progress)

    job_cancel(job_id=turn.job.pk)

    assert balance(owner) == (BEGIN - charged, 0)


def test_a_turn_cancelled_with_its_text_whole_pays_for_all_of_it(
    owner: User, by_usage: int
) -> None:
    turn = turn_accept(owner=owner, message="hello")
    _generate(turn.job)

    job_cancel(job_id=turn.job.pk)

    assert balance(owner) == (BEGIN - 44, 0)


def test_a_failed_turn_costs_nothing_whatever_it_used(owner: User, by_usage: int) -> None:
    turn = turn_accept(owner=owner, message="hello")
    claim = _claim(turn.job)
    step_progress(claim, input_tokens=30, output_tokens=4)

    step_give_up(claim, PermanentError())

    assert balance(owner) == (BEGIN, 0)
    assert lines(owner)[1:] == [("reserve", -by_usage), ("release", by_usage)]


def test_a_replay_reserves_anew_and_is_charged_once(owner: User, by_usage: int) -> None:
    turn = turn_accept(owner=owner, message="hello")
    _generate(turn.job)
    _fail(turn.job, FINISH.name)

    turn.job.epoch = job_replay(job_id=turn.job.pk).epoch
    assert balance(owner) == (BEGIN - by_usage, by_usage)
    _finish(turn)

    assert balance(owner) == (BEGIN - 44, 0)
    assert list(Entry.objects.filter(kind="settle").values_list("epoch", "amount")) == [(2, -44)]


def test_a_replay_that_cannot_be_paid_for_is_refused_whole(owner: User, flat: None) -> None:
    job = turn_accept(owner=owner, message="hello").job
    _fail(job)
    credits_grant(owner=owner, amount=99 - BEGIN)

    with pytest.raises(InsufficientCredits):
        job_replay(job_id=job.pk)

    job.refresh_from_db()
    assert (job.state, job.epoch) == ("failed", 1)
    assert balance(owner) == (99, 0)


def test_what_was_given_back_is_not_charged_when_its_replay_is_cancelled(
    owner: User, by_usage: int
) -> None:
    job = turn_accept(owner=owner, message="hello").job
    claim = _claim(job)
    step_progress(claim, response_id="resp_1", input_tokens=30, output_tokens=4)
    step_give_up(claim, PermanentError())
    job_replay(job_id=job.pk)

    job_cancel(job_id=job.pk)

    assert balance(owner) == (BEGIN, 0)
    assert list(faults()) == []


def test_the_next_turn_of_a_conversation_is_let_in_whatever_is_charged(
    owner: User, flat: None
) -> None:
    first = turn_accept(owner=owner, message="one")
    second = turn_accept(owner=owner, message="two", conversation_id=first.conversation.pk)
    third = turn_accept(owner=owner, message="three", conversation_id=first.conversation.pk)

    job_cancel(job_id=first.job.pk)
    _generate(second.job)
    _finish(second)

    assert third.job.steps.get(name=GENERATE.name).ready_at is not None
    assert balance(owner) == (BEGIN - 200, 100)


def test_the_most_is_what_the_limits_allow(settings: Settings, by_usage: int) -> None:
    settings.MESSAGE_MAX_CHARACTERS = 300

    assert most_used().input_tokens == 300 + PASSAGE_CHARACTERS + 45
    assert most_used().output_tokens == 50


def test_no_passage_is_longer_than_what_is_reserved_for_it() -> None:
    """Given the engine that cuts documents, its limit and the longest title are covered."""
    from pipelines.knowledge.models import Document
    from workers.engines.extract import chunk

    longest = inspect.signature(chunk).parameters["limit"].default
    title = Document._meta.get_field("title").max_length

    assert longest + title == PASSAGE_CHARACTERS


def test_an_account_that_was_never_given_anything_has_no_balance_to_go_below(
    db: None, flat: None
) -> None:
    poor = UserFactory.create()

    with pytest.raises(InsufficientCredits):
        turn_accept(owner=poor, message="hello")

    assert not Balance.objects.filter(owner=poor).exists()


@pytest.mark.django_db
def test_only_the_metered_pay_where_not_everyone_does(flat: None, settings: Settings) -> None:
    settings.CREDITS_FOR, settings.CREDITS_GRANT = "metered", 100
    free, metered = UserFactory.create(), UserFactory.create()
    account_open(owner_id=free.pk)
    account_meter(owner=metered)

    for owner in (free, free, metered):
        turn_accept(owner=owner, message="Who pays?")
    with pytest.raises(InsufficientCredits):
        turn_accept(owner=metered, message="And again?")

    assert (balance(free), balance(metered)) == ((100, 0), (0, 100))
