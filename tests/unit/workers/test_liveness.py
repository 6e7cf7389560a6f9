"""Liveness: a worker is judged by what it hears, and only when it could have heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from celery.worker import state
from django.conf import settings
from kombu import Queue
from kombu.exceptions import OperationalError

from project.celery import app
from workers import liveness
from workers.liveness import Hearing, Letters, own_queue


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "NODE_SECONDS", 1 / 64)
    monkeypatch.setattr(settings, "CONSUME_TIMEOUT", 3 / 64)


def _consumer(*queues: str, slots: int = 2) -> Any:
    """What liveness sees of a worker: its pool, and the queues that it consumes."""
    tasks = SimpleNamespace(queues=[Queue(name) for name in queues], consuming_from=lambda _: True)
    return SimpleNamespace(task_consumer=tasks, pool=SimpleNamespace(num_processes=slots))


def _unreachable() -> None:
    raise OperationalError


def _lost() -> None:
    """Sent, and never received."""


def _in_turn(*acts: Callable[[], None]) -> Callable[[], None]:
    """Do the one, then the next."""
    rest = iter(acts)

    def act() -> None:
        next(rest)()

    return act


@pytest.fixture
def busy() -> Iterator[Callable[[int], None]]:
    """Let so many slots be taken."""
    taken: list[Any] = []

    def take(count: int) -> None:
        taken.extend(_Request() for _ in range(count))
        for request in taken:
            state.active_requests.add(request)

    yield take
    state.active_requests.clear()


class _Request:
    """A request; all that counts is that it is one."""


def test_who_hears_is_proven() -> None:
    hearing = Hearing(_consumer("pdf", "llm"), liveness.note)

    assert hearing.ask()
    assert (hearing.silence, hearing.is_deaf, hearing.queues()) == (0.0, False, ["llm", "pdf"])


def test_who_hears_nothing_is_deaf_at_the_limit_and_not_before() -> None:
    hearing = Hearing(_consumer("llm"), _lost)

    verdicts = []
    for _ in range(3):
        assert not hearing.ask()
        verdicts.append(hearing.is_deaf)

    assert verdicts == [False, False, True]


def test_what_is_heard_in_between_ends_the_silence() -> None:
    hearing = Hearing(_consumer("llm"), _in_turn(_lost, _lost, liveness.note, _lost, _lost))

    assert [hearing.ask() for _ in range(5)] == [False, False, True, False, False]
    assert not hearing.is_deaf


def test_nobody_is_judged_while_the_broker_is_away() -> None:
    hearing = Hearing(_consumer("llm"), _in_turn(_lost, _lost, _unreachable, _lost, _lost))

    assert [hearing.ask() for _ in range(5)] == [False] * 5
    assert not hearing.is_deaf


@pytest.mark.parametrize(("taken", "proven"), [(1, False), (2, True)])
def test_who_has_no_slot_free_need_not_hear(
    busy: Callable[[int], None], taken: int, proven: bool
) -> None:
    hearing = Hearing(_consumer("llm", slots=2), _lost)
    busy(taken)

    assert [hearing.ask() for _ in range(3)] == [proven] * 3
    assert hearing.is_deaf is not proven


def test_who_hears_itself_and_serves_no_queue_is_deaf_to_work() -> None:
    hearing = Hearing(_consumer(), liveness.note)

    assert [hearing.ask() for _ in range(3)] == [False] * 3
    assert hearing.is_deaf


def test_a_worker_without_a_consumer_serves_nothing() -> None:
    consumer = _consumer("llm")
    consumer.task_consumer = None

    assert Hearing(consumer, liveness.note).queues() == []


def test_a_real_worker_hears_its_own_letters() -> None:
    """Given a worker on the broker in memory, a letter comes out of the consumer of its work."""
    with start_worker(
        app, perform_ping_check=False, pool="solo", hostname="ear@here", loglevel="ERROR"
    ) as worker:
        letters = Letters(own_queue("ear@here"))
        controller: Any = worker
        hearing = Hearing(controller.consumer, letters.write)
        settings.NODE_SECONDS = 10.0

        assert hearing.ask()
        assert hearing.queues() == sorted(settings.QUEUES)
        letters.close()


def test_the_own_queue_does_not_outlive_its_worker() -> None:
    queue: Any = own_queue("llm@here")

    assert queue.name.startswith("node.llm@here@")
    assert (queue.expires, queue.exchange.name) == (6 / 64, "")
