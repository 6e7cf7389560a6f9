"""The whole product on servers of our own, reached by proxies, watched over, ready to be hurt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.acceptance.chaos.disk import Disk, small_disk
from tests.acceptance.chaos.mail_server import PostOffice, post_office
from tests.acceptance.chaos.postgres import Postgres, private_postgres
from tests.acceptance.chaos.rabbitmq import PORT as RABBITMQ_PORT
from tests.acceptance.chaos.rabbitmq import VirtualHost, private_virtual_host
from tests.acceptance.chaos.redis_server import RedisServer, private_redis
from tests.acceptance.chaos.supervisor import Supervisor
from tests.acceptance.proxy import Proxy, tcp_proxy
from tests.acceptance.receiver import Receiver, webhook_receiver
from tests.acceptance.stack import Stack, until
from tests.sandbox_server import SandboxServer, sandbox_server

DATABASE = "turnpike"
# Fourteen processes that start at once on a busy machine take their time.
READY_SECONDS = 300.0
_PATCHED = "tests.acceptance.chaos.patched"
_BEAT = ("-m", "celery", "-A", f"{_PATCHED}.beat", "beat", "--pidfile=")
_WORKER = ("-m", "celery", "-A", "{app}", "worker")
_LLM = (*_WORKER, "-Q", "llm", "-P", "threads", "-c", "8")
_PDF = (*_WORKER, "-Q", "pdf", "-P", "prefork", "-c", "1")
_MAIL = (*_WORKER, "-Q", "mail", "-P", "threads", "-c", "4")
_DEFAULT = (*_WORKER, "-Q", "default", "-P", "threads", "-c", "4")
_RELAY = ("-m", f"{_PATCHED}.manage", "relay")
COMMANDS: dict[str, tuple[str, ...]] = {
    "web": (
        *("-m", "uvicorn", f"{_PATCHED}.web:application", "--host", "127.0.0.1"),
        *("--port", "{port}", "--lifespan", "off", "--no-access-log"),
        *("--no-proxy-headers", "--no-server-header"),
    ),
    "relay": _RELAY,
    "relay-2": _RELAY,
    "beat": _BEAT,
    "beat-2": _BEAT,
    "embed": (*_WORKER, "-Q", "embed,ingest", "-P", "threads", "-c", "8"),
    "llm": _LLM,
    "llm-2": _LLM,
    "pdf": _PDF,
    "pdf-2": _PDF,
    "mail": _MAIL,
    "mail-2": _MAIL,
    "default": _DEFAULT,
    "default-2": _DEFAULT,
}
WORKERS = tuple(name for name, words in COMMANDS.items() if "worker" in words)
# Every minute, so that two beats have slots to quarrel over.
_EVERY_MINUTE = """
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks
cron, _ = CrontabSchedule.objects.get_or_create(minute="*", hour="*", timezone="UTC")
PeriodicTask.objects.filter(task="scheduler.start").update(crontab=cron)
PeriodicTasks.update_changed()
"""
CREDITS_PER_TURN = 3
# Seconds of patience, cut short so that a fault of some seconds is one.
_SETTINGS = {
    "REDIS_SOCKET_TIMEOUT": "4",
    "SANDBOX_CONNECT_TIMEOUT": "2",
    "SANDBOX_READ_TIMEOUT": "4",
    "SANDBOX_TOTAL_TIMEOUT": "30",
    "MAIL_TIMEOUT": "3",
    "MAILERSEND_API_KEY": "mlsn.test",
    "MAILERSEND_DOMAIN_ID": "domain",
    "FROM_EMAIL": "desk@example.org",
    "ACCESS_TOKEN_SECONDS": "86400",
    "WEBHOOK_ALLOW_HTTP": "true",
    "WEBHOOK_ALLOW_PRIVATE": "true",
    "WEBHOOK_READ_TIMEOUT": "3",
    "INDEX_DELTA_MAX": "8",
    "EMBEDDING_THREADS": "1",
    "BREAKER_SECONDS": "4",
    "CREDITS_FOR": "everyone",
    "CREDITS_PER_TURN": str(CREDITS_PER_TURN),
    "CREDITS_GRANT": str(10**9),
}
# The defaults of the product.
_BRISK = {"RELAY_INTERVAL": "1", "NODE_SECONDS": "3", "NODE_LOST_AFTER": "15"}


@dataclass(frozen=True)
class Shape:
    """What kind of world is wanted.

    Attributes:
        broker: `redis` or `rabbitmq`.
        broken: One of the ways of `patched.broken`, or empty for the product as it is.
        embed: Whether documents are taken in; the model costs some ten seconds and 600 MB.
        fsync: Whether PostgreSQL syncs to the disk.
        brisk: Whether pace matters: PostgreSQL is reached without a proxy, which costs a third of
            it, and relays and workers look about as seldom as they do in production.
    """

    broker: str = "redis"
    broken: str = ""
    embed: bool = True
    fsync: bool = False
    brisk: bool = False


@dataclass
class World:
    """What the faults and the checks can lay their hands on."""

    shape: Shape
    stack: Stack
    supervisor: Supervisor
    postgres: Postgres
    redis: RedisServer
    virtual_host: VirtualHost | None
    office: PostOffice
    hooks: Receiver
    sandbox: SandboxServer
    disk: Disk
    control: Path
    to_postgres: Proxy
    to_redis: Proxy
    to_broker: Proxy
    to_sandbox: Proxy
    # Added by the clients to each message: the sandbox's own faults.
    directive: str = ""
    # Whether a request that is sent again with its key makes no second job.
    has_idempotency: bool = False

    @property
    def lease(self) -> float:
        """Seconds after which a silent worker has lost its step."""
        return float(self.stack.environment["LEASE_SECONDS"])

    @property
    def names(self) -> list[str]:
        """The processes that are meant to run."""
        return [name for name in COMMANDS if self.shape.embed or name != "embed"]


def _wait_ready(made: World) -> None:
    """Wait until a turn can be served, in a world without documents by all but their queues."""
    spared = set() if made.shape.embed else {"queue:embed", "queue:ingest"}
    missing: set[str] = set()

    def is_ready() -> bool:
        nonlocal missing
        try:
            answer = httpx.get(f"{made.stack.url}/readyz", timeout=5)
            missing = {row["name"] for row in answer.json()["checks"] if not row["ok"]}
        except (httpx.TransportError, ValueError):
            return False
        return missing <= spared

    until(is_ready, seconds=READY_SECONDS)


def _kill_all(stack: Stack) -> None:
    """End at once: whatever the processes are at, nobody waits for it any more."""
    for name in list(stack.running):
        stack.kill(name)
    stack.stop()


@contextmanager
def world(shape: Shape) -> Iterator[World]:
    """Build a world, wait until a turn can be served, and take it down at the end."""
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="chaos-")))
        folder.chmod(0o755)  # PostgreSQL's user has to come through
        postgres = held.enter_context(private_postgres(folder / "postgres", fsync=shape.fsync))
        redis = held.enter_context(private_redis(folder))
        host = held.enter_context(private_virtual_host()) if shape.broker == "rabbitmq" else None
        office = held.enter_context(post_office())
        hooks = held.enter_context(webhook_receiver())
        sandbox = held.enter_context(sandbox_server("--keep=1000000"))
        sandbox_port = int(sandbox.base_url.rpartition(":")[2].partition("/")[0])
        to_postgres, to_redis, to_sandbox = (
            held.enter_context(tcp_proxy("127.0.0.1", port))
            for port in (postgres.port, redis.port, sandbox_port)
        )
        to_broker = held.enter_context(tcp_proxy("127.0.0.1", RABBITMQ_PORT)) if host else to_redis
        home, control = folder / "home", folder / "control"
        home.mkdir()
        control.mkdir()
        disk = held.enter_context(small_disk(home / "artifacts"))
        environment = {
            **_SETTINGS,
            "DATABASE_URL": postgres.url(DATABASE, None if shape.brisk else to_postgres.port),
            "REDIS_URL": f"redis://127.0.0.1:{to_redis.port}/0",
            "SANDBOX_URL": f"http://127.0.0.1:{to_sandbox.port}/v1",
            "MAILERSEND_URL": office.url,
            "CHAOS_CONTROL": str(control),
            "CHAOS_BREAK": shape.broken,
            **({"BROKER_URL": host.url(to_broker.port)} if host else {}),
            **(_BRISK if shape.brisk else {}),
        }
        postgres.execute(f"CREATE DATABASE {DATABASE}")
        stack = Stack(home, environment, sandbox)
        stack.app = f"{_PATCHED}.worker"
        stack.commands |= COMMANDS
        stack.manage("migrate", "-v0")
        supervisor = Supervisor(stack)
        made = World(
            *(
                shape,
                stack,
                supervisor,
                postgres,
                redis,
                host,
                office,
                hooks,
                sandbox,
                disk,
                control,
            ),
            *(to_postgres, to_redis, to_broker, to_sandbox),
        )
        held.callback(_kill_all, stack)
        stack.start(*made.names)
        _wait_ready(made)
        stack.manage("shell", "--no-imports", "-c", _EVERY_MINUTE)
        supervisor.start()
        held.callback(supervisor.end)
        yield made
