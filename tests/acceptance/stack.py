"""The whole product as real processes, on a home, a database and ports of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from deploy.local.guard import Guard
from tests.acceptance.client import Client
from tests.sandbox_server import SandboxServer, sandbox_server

ROOT = Path(__file__).parents[2]
READY_SECONDS = 90.0
STOP_SECONDS = 30.0
_CELERY = ("-m", "celery", "-A")
_QUIET = ("--without-gossip", "--without-mingle")

# What an operator starts, by name: the arguments after `python`.
PROCESSES: dict[str, tuple[str, ...]] = {
    "web": (
        *("-m", "uvicorn", "project.asgi:application", "--host", "127.0.0.1", "--port", "{port}"),
        *("--no-proxy-headers", "--no-server-header"),
    ),
    "relay": ("manage.py", "relay"),
    "relay-2": ("manage.py", "relay"),
    "beat": (*_CELERY, "celerybeat.app", "beat"),
    "beat-2": (*_CELERY, "celerybeat.app", "beat"),
    "embed": (*_CELERY, "{app}", "worker", "-Q", "embed,ingest", "-P", "threads", "-c", "4"),
    "llm": (*_CELERY, "{app}", "worker", "-Q", "llm", "-P", "threads", "-c", "8"),
    "pdf": (*_CELERY, "{app}", "worker", "-Q", "pdf", "-P", "prefork", "-c", "1"),
    "mail": (*_CELERY, "{app}", "worker", "-Q", "mail", "-P", "threads", "-c", "4"),
    "default": (*_CELERY, "{app}", "worker", "-Q", "default", "-P", "threads", "-c", "4"),
}
# Started by the tests that are about two of a kind.
_SECONDS = {"beat-2", "relay-2"}
# What a turn passes through that asks for no documents and no report; it needs no model.
PLAIN_TURN = ("web", "relay", "llm", "default")
_MAKE_STAFF = """
from pipelines.accounts.models import User
User.objects.filter(email="staff@example.com").update(is_staff=True, is_superuser={})
"""
# Short, so that a test sees a recovery in seconds; the ratios are those of the defaults.
QUICK = {
    "LEASE_SECONDS": "4",
    "HEARTBEAT_SECONDS": "1",
    "RELAY_INTERVAL": "0.3",
    "REPUBLISH_AFTER": "3",
    "NODE_SECONDS": "1",
    "NODE_LOST_AFTER": "5",
}


# The clients of most tests are a few accounts, all of this machine, and send what they can.
UNTHROTTLED = {
    f"THROTTLE_{name}": "off"
    for name in ("USER", "ADDRESS", "SIGN_IN", "SIGN_IN_NAME", "REGISTER", "MAIL")
}

# What `project.settings.test` has set for the process of the tests itself.
_NOT_INHERITED = {
    "BROKER_URL",
    "DATABASE_URL",
    "DJANGO_SETTINGS_MODULE",
    "LOG_LEVEL",
    "REDIS_URL",
    "SECRET_KEY",
    "TURNPIKE_HOME",
}


def free_port() -> int:
    """Ask the system for a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def inherited() -> dict[str, str]:
    """The environment of the tests' process, less what their settings have set in it."""
    return {name: os.environ[name] for name in os.environ.keys() - _NOT_INHERITED}


def until(holds: Callable[[], bool], *, seconds: float = 20, pause: float = 0.1) -> None:
    """Wait for something to hold."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to hold within {seconds} s"
        time.sleep(pause)


class Stack:
    """Starts, kills and starts again; every process leads a group of its own.

    None outlives the tests: a guard kills the groups that are left when the tests are killed.
    """

    def __init__(self, home: Path, environment: Mapping[str, str], sandbox: SandboxServer) -> None:
        """Prepare; nothing runs yet but the sandbox."""
        self.home = home
        self.port = free_port()
        self.sandbox = sandbox
        self.app = "workers.app"
        # What may be added to, or replaced by a test's own.
        self.commands = dict(PROCESSES)
        self._clients = ExitStack()
        self._guard = Guard()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **inherited(),
            **QUICK,
            **UNTHROTTLED,
            "DJANGO_SETTINGS_MODULE": "project.settings.dev",
            "DEBUG": "false",
            "TURNPIKE_HOME": str(home),
            "PORT": str(self.port),
            "SANDBOX_URL": sandbox.base_url,
            "BROKER_KEY_PREFIX": f"turnpike-test-{home.name}:",
            "PYTHONWARNINGS": "ignore",
            **environment,
        }

    @property
    def url(self) -> str:
        """Where the front door listens."""
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> str:
        """Run a management command; return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self, email: str) -> Client:
        """Make a client of the front door, closed when the stack stops."""
        return self._clients.enter_context(Client(self.url, email))

    def staff(self, *, is_superuser: bool = False) -> Client:
        """Sign up an account of the staff; without more it has no right in the admin."""
        client = self.client("staff@example.com")
        client.sign_up()
        self.manage("shell", "--no-imports", "-c", _MAKE_STAFF.format(is_superuser))
        return client

    def start(self, *names: str) -> None:
        """Start processes by name."""
        for name in names:
            words = [word.format(port=self.port, app=self.app) for word in self.commands[name]]
            if "worker" in words:
                words += ["-n", f"{name}@%h", *_QUIET]
            with (self.home / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    [sys.executable, *words],
                    cwd=ROOT,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._guard.add(self.running[name].pid)

    def kill(self, name: str) -> None:
        """Kill a process and its children, as a machine that loses its power does."""
        os.killpg(self.running[name].pid, signal.SIGKILL)
        self.forget(name)

    def forget(self, name: str) -> None:
        """Wait for a process that ends, and let its name be started again."""
        process = self.running.pop(name)
        process.wait()
        self._guard.remove(process.pid)

    def suspend(self, name: str) -> None:
        """Let a process and its children fall asleep in whatever they are doing."""
        os.killpg(self.running[name].pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let them go on."""
        os.killpg(self.running[name].pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop everything in good order, and what does not stop by force."""
        self._clients.close()
        for process in self.running.values():
            process.terminate()
        for name, process in list(self.running.items()):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill(name)
        self.running.clear()
        self._guard.close()

    def wait_ready(self, *, spared: Collection[str] = ()) -> None:
        """Wait until a turn can be served, but for the checks that are spared."""
        deadline = time.monotonic() + READY_SECONDS
        answer = "nothing listens"
        while time.monotonic() < deadline:
            for name, process in self.running.items():
                if process.poll() is not None:
                    raise AssertionError(f"{name} has ended:\n{self.log(name)}")
            try:
                response = httpx.get(f"{self.url}/readyz", timeout=5)
                answer = response.text
                missing = {row["name"] for row in response.json()["checks"] if not row["ok"]}
                if missing <= set(spared):
                    return
            except (httpx.TransportError, ValueError) as error:
                answer = str(error)
            time.sleep(0.2)
        raise AssertionError(f"not ready after {READY_SECONDS} s: {answer}")

    def log(self, name: str) -> str:
        """Return the end of a process's log."""
        return (self.home / f"{name}.log").read_text(errors="replace")[-4000:]


def _unserved(running: Collection[str]) -> set[str]:
    """The checks that fail because some workers were not asked for."""
    absent = [words for name, words in PROCESSES.items() if name not in running and "-Q" in words]
    return {f"queue:{q}" for words in absent for q in words[words.index("-Q") + 1].split(",")}


@contextmanager
def running_stack(
    home: Path,
    environment: Mapping[str, str],
    *,
    app: str = "workers.app",
    only: Collection[str] = PROCESSES.keys() - _SECONDS,
) -> Iterator[Stack]:
    """Migrate, start everything or some of it, wait until that is ready, and stop it at the end."""
    with ExitStack() as stack_of:
        sandbox = stack_of.enter_context(sandbox_server())
        stack = Stack(home, environment, sandbox)
        stack.app = app
        stack.manage("migrate", "-v0")
        stack_of.callback(stack.stop)
        stack.start(*(name for name in PROCESSES if name in only))
        stack.wait_ready(spared=_unserved(only))
        yield stack
