"""Which processes are alive, and which queues they serve."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from pipelines.jobs.models import Node


def node_name(role: str) -> str:
    """Name this process among all of its role."""
    return f"{role}@{socket.gethostname()}:{os.getpid()}"


def node_seen(*, name: str, role: str, queues: Sequence[str] = ()) -> None:
    """Note that a process is alive, and what it serves; of a worker, what it was proven to take."""
    Node.objects.update_or_create(
        name=name,
        defaults={
            "role": role,
            "queues": list(queues),
            "pid": os.getpid(),
            "seen_at": timezone.now(),
        },
    )


def node_gone(*, name: str) -> None:
    """Forget a process that stops in good order."""
    Node.objects.filter(name=name).delete()


def nodes_alive(role: str = "") -> list[Node]:
    """List the processes that were seen lately."""
    since = timezone.now() - timedelta(seconds=settings.NODE_LOST_AFTER)
    nodes = Node.objects.filter(seen_at__gte=since).order_by("name")
    return list(nodes.filter(role=role) if role else nodes)


def served_queues() -> set[str]:
    """Name the queues that a living worker consumes."""
    return {queue for node in nodes_alive("worker") for queue in node.queues}
