"""The slot for which an entry is due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from celery.schedules import crontab

from celerybeat.scheduler import latest_slot

NOW = datetime(2026, 11, 21, 2, 7, 31, 5, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("cron", "slot"),
    [
        (crontab(minute="0", hour="2"), datetime(2026, 11, 21, 2, 0, tzinfo=UTC)),
        (crontab(minute="8", hour="2"), datetime(2026, 11, 20, 2, 8, tzinfo=UTC)),
        (crontab(minute="0", hour="3", day_of_week="0"), datetime(2026, 11, 15, 3, tzinfo=UTC)),
        (crontab(minute="0", hour="*/6"), datetime(2026, 11, 21, 0, 0, tzinfo=UTC)),
        (crontab(), datetime(2026, 11, 21, 2, 7, tzinfo=UTC)),
        (
            crontab(minute="0", hour="0", day_of_month="1", month_of_year="3"),
            datetime(2026, 3, 1, tzinfo=UTC),
        ),
    ],
)
def test_the_latest_minute_that_the_crontab_names(cron: crontab, slot: datetime) -> None:
    assert latest_slot(cron, NOW) == slot


def test_a_slot_of_more_than_a_year_ago_is_none() -> None:
    leap_day = crontab(minute="0", hour="0", day_of_month="29", month_of_year="2")

    assert latest_slot(leap_day, NOW) is None
