"""Beat keeps house: two of them run each slot once (I9)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import Stack, running_stack, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow, pytest.mark.needs("redis")]

_EVERY_MINUTE = """
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks
cron, _ = CrontabSchedule.objects.get_or_create(minute="*", hour="*", timezone="UTC")
PeriodicTask.objects.update(crontab=cron)
PeriodicTasks.update_changed()
"""
_RUNS = """
import json
from pipelines.jobs.models import Job
print(json.dumps(list(Job.objects.filter(owner=None).values("kind", "state", "input", "output"))))
"""


def _runs(stack: Stack) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(stack.manage("shell", "--no-imports", "-c", _RUNS))
    return runs


def test_two_beats_run_each_slot_once(tmp_path: Path, services: dict[str, str]) -> None:
    with running_stack(tmp_path, services) as stack:
        stack.start("beat-2")
        stack.manage("shell", "--no-imports", "-c", _EVERY_MINUTE)

        def all_ran() -> bool:
            return len({run["kind"] for run in _runs(stack) if run["state"] == "completed"}) == 3

        until(all_ran, seconds=90, pause=2)

        runs = _runs(stack)
        slots = [(run["kind"], run["input"]["slot"]) for run in runs]
        assert len(slots) == len(set(slots))
        [counted] = [run for run in runs if run["kind"] == "scheduler.housekeeping"][:1]
        assert counted["output"]["counts"]["users"] == 0
        assert set(counted["output"]["deleted"]) == {
            "scheduler.delete_conversations",
            "scheduler.delete_messages",
            "scheduler.delete_users",
            "scheduler.delete_jobs",
        }
