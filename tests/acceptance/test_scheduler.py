"""Staff look at the schedule, start a run and wait for it, and keep house by hand; beat runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.stack import Stack, running_stack, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow, pytest.mark.needs("redis")]

PLACE = "/api/admin/scheduler"
_ADD_AN_OLD_CONVERSATION = """
from datetime import timedelta
from django.utils import timezone
from pipelines.accounts.models import User
from pipelines.chat.models import Conversation
Conversation.objects.create(owner=User.objects.get())
Conversation.objects.update(updated_at=timezone.now() - timedelta(days=31))
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    """What keeps house."""
    home = tmp_path_factory.mktemp("home")
    with running_stack(home, services, only=("web", "relay", "default", "beat")) as stack:
        yield stack


@pytest.fixture(scope="module")
def staff(stack: Stack) -> Client:
    """Somebody of the staff, without any right in the admin."""
    return stack.staff()


def _entries(staff: Client) -> dict[str, Any]:
    return {row["name"]: row for row in staff.get(f"{PLACE}/status")["entries"]}


def test_the_status_shows_a_living_beat_and_what_runs_next(stack: Stack, staff: Client) -> None:
    until(lambda: staff.get(f"{PLACE}/status")["running"])
    entries = _entries(staff)

    assert {name: (row["schedule"], row["kind"]) for name, row in entries.items()} == {
        "Daily housekeeping": ("0 2 * * * (UTC)", "scheduler.housekeeping"),
        "Statistics": ("0 */6 * * * (UTC)", "scheduler.statistics"),
        "Weekly cleanup": ("0 3 * * 0 (UTC)", "scheduler.cleanup"),
    }
    for row in entries.values():
        assert datetime.fromisoformat(row["next_run"]) > datetime.now(UTC)
    daily = entries["Daily housekeeping"]["next_run"]
    assert daily.endswith("T02:00:00Z")
    told = stack.manage("scheduler_info").splitlines()
    assert told[0].startswith("beat@")
    assert any(line.startswith("Daily housekeeping: 0 2 * * * (UTC)") for line in told)
    assert f"next {daily[:10]} 02:00:00 UTC" in "".join(told)


def test_a_run_that_staff_start_is_polled_until_it_is_done(stack: Stack, staff: Client) -> None:
    stack.manage("shell", "--no-imports", "-c", _ADD_AN_OLD_CONVERSATION)

    started = staff.request("POST", f"{PLACE}/trigger/", json={"task": "conversations"})

    assert started.status_code == 202, started.text
    place = started.headers["Location"]
    assert place == f"/api/v1/jobs/{started.json()['job']['id']}/"
    until(lambda: staff.get(place)["state"] == "completed")
    assert staff.get(place)["result"] == {"deleted": {"chat.Conversation": 1}}
    counted = staff.request(
        "POST", f"{PLACE}/trigger", json={"task": "stats"}, headers={"Prefer": "wait=30"}
    )
    assert (counted.status_code, counted.json()["job"]["state"]) == (200, "completed")
    numbers = staff.get(f"{PLACE}/statistics")
    assert numbers["recorded"]["counts"] == counted.json()["job"]["result"]["counts"]
    assert (numbers["current"]["users"], numbers["current"]["conversations"]) == (1, 0)


def test_housekeeping_by_hand_needs_no_worker(stack: Stack, staff: Client) -> None:
    stack.kill("default")
    stack.manage("shell", "--no-imports", "-c", _ADD_AN_OLD_CONVERSATION)

    told = stack.manage("run_housekeeping").splitlines()

    assert "delete conversations: 1 so far" in told
    assert "delete conversations: 1 chat.Conversation" in told
    assert (told[-1], "conversations: 0" in told) == ("Done.", True)
    assert staff.get(f"{PLACE}/statistics")["recorded"]["counts"]["conversations"] == 0


def test_a_killed_beat_is_missed(stack: Stack, staff: Client) -> None:
    stack.kill("beat")

    until(lambda: not staff.get(f"{PLACE}/status")["running"])
    assert stack.manage("scheduler_info").startswith("No beat is running")
