"""The declared schedule in the database, and the edits of staff."""

from __future__ import annotations

import pytest
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from celerybeat import sync as module
from celerybeat.entries import Entry
from celerybeat.sync import sync
from pipelines.scheduler.pipeline import HOUSEKEEPING

pytestmark = pytest.mark.django_db


def _cron(name: str) -> str:
    cron = PeriodicTask.objects.get(name=name).crontab
    assert cron is not None
    return f"{cron.minute} {cron.hour} {cron.day_of_month} {cron.month_of_year} {cron.day_of_week}"


def _declare(monkeypatch: pytest.MonkeyPatch, *entries: Entry) -> None:
    monkeypatch.setattr(module, "SCHEDULE", entries)


def test_the_schedule_is_as_promised() -> None:
    assert sync() == {"created": 3}

    assert _cron("Daily housekeeping") == "0 2 * * *"
    assert _cron("Weekly cleanup") == "0 3 * * 0"
    assert _cron("Statistics") == "0 */6 * * *"
    task = PeriodicTask.objects.get(name="Weekly cleanup")
    assert (task.task, task.args, task.queue, task.enabled) == (
        "scheduler.start",
        '["scheduler.cleanup"]',
        "default",
        True,
    )


def test_a_second_sync_changes_nothing() -> None:
    sync()
    before = list(PeriodicTask.objects.order_by("pk").values_list("pk", "date_changed"))

    assert sync() == {"unchanged": 3}

    assert list(PeriodicTask.objects.order_by("pk").values_list("pk", "date_changed")) == before


def test_an_edit_survives_even_a_changed_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    sync()
    edited, _ = CrontabSchedule.objects.get_or_create(minute="30", hour="4", timezone="UTC")
    PeriodicTask.objects.filter(name="Daily housekeeping").update(crontab=edited)

    assert sync() == {"edited": 1, "unchanged": 2}
    _declare(monkeypatch, Entry("Daily housekeeping", HOUSEKEEPING, hour="5"))
    sync()

    assert _cron("Daily housekeeping") == "30 4 * * *"


@pytest.mark.parametrize("change", [{"enabled": False}])
def test_an_entry_that_was_switched_off_stays_off(change: dict[str, bool]) -> None:
    sync()
    PeriodicTask.objects.filter(name="Statistics").update(**change)

    sync()

    assert PeriodicTask.objects.get(name="Statistics").enabled is False


def test_an_entry_that_staff_deleted_stays_deleted() -> None:
    sync()
    PeriodicTask.objects.filter(name="Statistics").delete()

    sync()

    assert not PeriodicTask.objects.filter(name="Statistics").exists()


def test_an_untouched_entry_follows_its_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    sync()
    _declare(monkeypatch, Entry("Daily housekeeping", HOUSEKEEPING, hour="5"))

    assert sync() == {"updated": 1, "retired": 2}

    assert _cron("Daily housekeeping") == "0 5 * * *"
    off = PeriodicTask.objects.filter(enabled=False).order_by("name")
    assert list(off.values_list("name", flat=True)) == ["Statistics", "Weekly cleanup"]
