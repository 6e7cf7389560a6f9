"""The table of the product's processes."""

from __future__ import annotations

import sys
from typing import Final

from deploy.local.plan import Plan
from deploy.local.ports import HOST
from deploy.local.process import Process, Stage

_MODULE: Final = (sys.executable, "-m")
# In the order of starting; two relays, since either may be killed.
_RELAYS: Final = ("relay-1", "relay-2")

# name: (queues, pool, slots)
#
# embed serves ingest, too: a second process would load the model a second time (500 MB, and some
# nine seconds of CPU at each start), and the embedder lets questions pass before bulk work as it
# is. The documents of one collection are ingested one after another, so that it would take
# sixteen collections at once to fill the slots. docs/adr/0009-local-runner.md has the figures.
#
# Only a process pool can interrupt a step that runs too long, which rendering might; everything
# else waits for others most of the time, and a thread costs next to nothing.
_WORKERS: Final[dict[str, tuple[str, str, int]]] = {
    "llm": ("llm", "threads", 16),
    "embed": ("embed,ingest", "threads", 16),
    "pdf": ("pdf", "prefork", 1),
    "mail": ("mail", "threads", 8),
    "default": ("default", "threads", 4),
}


def sandbox(plan: Plan) -> Process:
    """The model that stands in where no provider's key is set."""
    command = (*_MODULE, "deploy.local.sandbox", "--port", str(plan.sandbox_port))
    return Process("sandbox", command, Stage.SANDBOX)


def prepare() -> Process:
    """What brings the database and the static files up to date, and ends."""
    return Process("prepare", (*_MODULE, "deploy.local.prepare"), Stage.WEB)


def standing(plan: Plan) -> list[Process]:
    """All that runs for as long as the product does, but for Redis and the sandbox."""
    relays = [
        Process(name, (sys.executable, "manage.py", "relay"), Stage.RELAY) for name in _RELAYS
    ]
    workers = [worker(name, *of, grace=plan.grace) for name, of in _WORKERS.items()]
    return [web(plan), *workers, *relays, beat()]


def web(plan: Plan) -> Process:
    """The front door; it waits a little for answers that are under way."""
    options = ("--host", HOST, "--port", str(plan.port), "--lifespan", "off", "--no-access-log")
    ours = ("--no-proxy-headers", "--no-server-header")
    command = (*_MODULE, "uvicorn", "project.asgi:application", *options, *ours)
    return Process("web", (*command, "--timeout-graceful-shutdown", "2"), Stage.WEB)


def worker(name: str, queues: str, pool: str, slots: int, *, grace: float) -> Process:
    """One Celery worker; the gossip of many workers is of no use to it."""
    command = (*_MODULE, "celery", "-A", "workers.app", "worker", "-n", f"{name}@%h")
    options = ("-Q", queues, "--pool", pool, "--concurrency", str(slots), "--loglevel", "INFO")
    without = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return Process(name, (*command, *options, *without), Stage.WORKER, grace=grace)


def beat() -> Process:
    """The clock; its schedule is in the database."""
    command = (*_MODULE, "celery", "-A", "celerybeat.app", "beat", "--pidfile=")
    return Process("beat", (*command, "--loglevel", "INFO"), Stage.BEAT)
