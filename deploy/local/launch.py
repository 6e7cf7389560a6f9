"""The start of the product, step by step, and its watch."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from deploy.local import broker, ports, table
from deploy.local.announce import announcement, ready_line
from deploy.local.errors import RunnerError
from deploy.local.limits import raise_open_files
from deploy.local.plan import Plan
from deploy.local.readiness import Readiness
from deploy.local.supervisor import Supervisor
from deploy.local.terminal import Style, Terminal

_LET_GO: Final = 3.0  # seconds that a killed run's processes have to let go of a port
_SAY_EVERY: Final = 15.0  # seconds between two words on what is being waited for


class Launch:
    """One run of the product."""

    def __init__(self, plan: Plan, terminal: Terminal) -> None:
        """Check what can be checked before anything is started.

        Raises:
            RunnerError: A port is in use.
        """
        self._terminal = terminal
        self._plan = self._with_free_ports(plan)
        logs = plan.home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self._supervisor = Supervisor(
            root=plan.root,
            logs=logs,
            environment=self._plan.environment,
            terminal=terminal,
            show_all=plan.show_all,
        )
        self._readiness = Readiness(self._plan.address, plan.home)
        self._said_at = 0.0

    def run(self, *, brief: bool = False) -> None:
        """Start everything, say where it is, and keep it running.

        Args:
            brief: Whether to leave out how it can be tried.

        Raises:
            RunnerError: It cannot be started.
            StopRequested: A signal came.
        """
        plan, supervisor = self._plan, self._supervisor
        supervisor.obey_signals()
        raise_open_files()
        self._terminal.step(f"Data and logs: {plan.home}")
        self._start_redis()
        if plan.sandbox_port is not None:
            supervisor.start(table.sandbox(plan))
        self._terminal.step(f"Database: {plan.database}")
        supervisor.run_once(table.prepare())
        standing = table.standing(plan)
        for process in standing:
            supervisor.start(process)
        self._terminal.step(f"Started: {', '.join(process.name for process in standing)}")
        supervisor.wait_for(self._is_ready, every=0.5)
        supervisor.was_ready = True
        self._terminal.line(ready_line(self._terminal.seconds))
        if not brief:
            self._terminal.line(announcement(plan))
        supervisor.wait_for(lambda: False)

    def stop(self) -> None:
        """End everything, in order."""
        self._supervisor.stop()

    def _with_free_ports(self, plan: Plan) -> Plan:
        if not ports.is_free(plan.port, patience=_LET_GO):
            raise RunnerError(
                f"Port {plan.port} is in use by another program. Choose another, as in "
                f"`make run PORT={plan.port + 80}`."
            )
        if plan.sandbox_port is None or ports.is_free(plan.sandbox_port, patience=_LET_GO):
            return plan
        port = ports.free_port()
        self._terminal.step(
            f"SANDBOX_PORT={plan.sandbox_port} is in use; the sandbox model takes {port}",
            Style.WARN,
        )
        environment = {**plan.environment, "SANDBOX_PORT": str(port)}
        return replace(plan, sandbox_port=port, environment=environment)

    def _start_redis(self) -> None:
        plan = self._plan
        if plan.redis_socket is None:
            if problem := broker.answers(plan.redis_url):
                raise RunnerError(
                    f"The Redis that REDIS_URL names does not answer: {problem}. "
                    "Start it, or unset REDIS_URL to have a private one."
                )
            self._terminal.step("Redis: the one that REDIS_URL names")
            return
        broker.make_private(plan.redis_socket.parent)
        binary = broker.server_binary()
        # A killed run leaves its socket behind, which must not be taken for a living Redis's.
        plan.redis_socket.unlink(missing_ok=True)
        self._supervisor.start(broker.private_redis(binary, plan.redis_socket))
        self._supervisor.wait_for(lambda: broker.answers(plan.redis_url) is None, every=0.05)
        self._terminal.step(f"Redis: {binary}, on a private socket, keeping nothing on disk")

    def _is_ready(self) -> bool:
        waits_for = self._readiness.missing()
        if waits_for and self._terminal.seconds - self._said_at > _SAY_EVERY:
            self._said_at = self._terminal.seconds
            self._terminal.step(f"Waiting for {', '.join(waits_for)}", Style.QUIET)
        return not waits_for
