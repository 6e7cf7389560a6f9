"""`manage.py deadletters`: lists what failed, and runs it again."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings

from pipelines.jobs.models import Job
from tests.factories import StepFactory, failed_job

pytestmark = pytest.mark.django_db


def _run(*words: object) -> str:
    out = StringIO()
    call_command("deadletters", *map(str, words), stdout=out)
    return out.getvalue()


def _refused(*words: object) -> tuple[str, int]:
    with pytest.raises(CommandError) as refusal:
        _run(*words)
    return str(refusal.value), refusal.value.returncode


def _states(*jobs: Job) -> list[str]:
    return [Job.objects.get(pk=job.pk).state for job in jobs]


def test_a_list_tells_what_failed_when_and_whose() -> None:
    StepFactory.create()
    mine, house = failed_job(), failed_job(owner=None)
    assert mine.finished_at is not None
    assert house.finished_at is not None

    first, second, count = _run("list").splitlines()

    when = mine.finished_at.isoformat(timespec="seconds")
    assert first == f"{mine.pk}  {when}  knowledge.search  provider_refused  {mine.owner}"
    assert second.endswith("  house")
    assert count == "2 of 2 dead letters."


def test_options_choose() -> None:
    old, turn = failed_job(), failed_job(kind="chat.turn")
    Job.objects.filter(pk=old.pk).update(
        error_code="worker_lost", finished_at=timezone.now() - timedelta(days=3)
    )

    def found(*words: object) -> set[str]:
        return {line.split()[0] for line in _run("list", *words).splitlines()[:-1]}

    assert found() == {str(old.pk), str(turn.pk)}
    assert found("--kind", "chat.turn") == {str(turn.pk)}
    assert found("--code", "worker_lost") == {str(old.pk)}
    assert found("--since", "2d") == {str(turn.pk)}
    assert found("--since", "96h") == {str(old.pk), str(turn.pk)}
    assert found("--since", "90m", "--code", "worker_lost") == set()
    assert found("--since", (timezone.now() - timedelta(days=2)).isoformat()) == {str(turn.pk)}
    assert found("--since", "2026-01-01T00:00") == {str(old.pk), str(turn.pk)}
    assert found(old.pk) == {str(old.pk)}


def test_a_limit_takes_the_oldest(settings: Settings) -> None:
    jobs = [failed_job() for _ in range(3)]

    assert _run("list", "--limit", 1).splitlines() == [
        _run("list", jobs[0].pk).splitlines()[0],
        "1 of 3 dead letters.",
    ]
    settings.REPLAY_MAX_JOBS = 2
    assert _run("list").endswith("2 of 3 dead letters.\n")
    assert _run("list", "--all").endswith("3 of 3 dead letters.\n")


def test_what_the_options_choose_runs_again(settings: Settings) -> None:
    settings.REPLAY_MAX_JOBS = 2
    jobs, other = [failed_job() for _ in range(3)], failed_job(kind="chat.turn")

    printed = _run("replay", "--kind", "knowledge.search")

    assert printed.splitlines() == [
        f"{jobs[0].pk}  runs again",
        f"{jobs[1].pk}  runs again",
        "Replayed: 2. Refused: 0. Left: 1.",
    ]
    assert _states(*jobs, other) == ["queued", "queued", "failed", "failed"]
    assert _run("replay", "--all").endswith("Replayed: 2. Refused: 0. Left: 0.\n")
    assert _states(*jobs, other) == ["queued"] * 4


def test_a_refusal_ends_with_1_and_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    waiting, dead, gone = StepFactory.create().job, failed_job(), uuid4()

    out = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("deadletters", "replay", str(gone), str(dead.pk), str(waiting.pk), stdout=out)

    assert refusal.value.returncode == 1
    assert f"{waiting.pk}  refused: invalid_transition: " in out.getvalue()
    assert f"{gone}  refused: not_found: There is no such job." in out.getvalue()
    assert out.getvalue().endswith("Replayed: 1. Refused: 2. Left: 0.\n")
    assert Job.objects.get(pk=dead.pk).epoch == 2


def test_a_command_that_makes_no_sense_ends_with_2() -> None:
    dead = failed_job()

    assert _refused("replay") == ("Say which: ids, --kind, --code or --since; or --all.", 2)
    assert _refused("replay", dead.pk, "--all")[1] == 2
    for words in (("--since", "yesterday"), ("--since", "2026-13-01"), ("--limit", "0")):
        assert "Error: argument --" in _refused("list", *words)[0]
    assert "invalid choice" in _refused("burn")[0]
    assert _states(dead) == ["failed"]
