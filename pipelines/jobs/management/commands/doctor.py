"""`manage.py doctor`: says what is wrong with this deployment, and how to mend it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis import Redis
from redis.exceptions import RedisError

from pipelines.jobs.readiness import Check, readiness


class Command(BaseCommand):
    """Check everything that a turn passes through."""

    help = "Check the database, the broker, every queue's workers and the relay."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line a check; end with status 1 when one of them fails."""
        checks = [*readiness(), *_redis()]
        for check in checks:
            self.stdout.write(
                f"{'ok  ' if check.ok else 'FAIL'} {check.name}  {check.detail}".rstrip()
            )
        failed = [check.name for check in checks if not check.ok]
        if failed:
            raise CommandError(f"Not ready: {', '.join(failed)}.")


def _redis() -> list[Check]:
    client = Redis.from_url(settings.REDIS_URL, socket_timeout=3, socket_connect_timeout=3)
    try:
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "unknown")
    except RedisError as error:
        return [Check("redis", ok=False, detail=f"Redis does not answer: {error}")]
    finally:
        client.close()
    # Any other policy lets Redis drop queues and bindings in silence when its memory is full.
    return [
        Check(
            "redis:maxmemory-policy",
            policy == "noeviction",
            "" if policy == "noeviction" else f"It is '{policy}': set it to 'noeviction'.",
        )
    ]
