"""Following a job in the terminal, step by step, to its end."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

from deploy.local.client import Client
from deploy.local.errors import RunnerError
from deploy.local.terminal import Style, Terminal

PATIENCE: Final = 180.0  # seconds
_PAUSE: Final = 0.15  # seconds
_FINAL: Final = {"completed", "failed", "cancelled", "incomplete"}


class Follower:
    """Shows what becomes of one job."""

    def __init__(self, client: Client, terminal: Terminal) -> None:
        """Read with a client that is signed in as the job's owner."""
        self._client = client
        self._terminal = terminal
        self._shown: dict[str, tuple[str, int]] = {}

    def follow(self, job_id: str) -> dict[str, Any]:
        """Show each step as it begins and ends; return the completed job.

        Raises:
            ApiError: The product does not answer.
            RunnerError: The job ended otherwise, or has not ended in PATIENCE seconds.
        """
        until = time.monotonic() + PATIENCE
        while True:
            job: dict[str, Any] = self._client.get(f"/api/v1/jobs/{job_id}/")
            for step in job["steps"]:
                self._show(step)
            if job["state"] in _FINAL:
                break
            if time.monotonic() > until:
                raise RunnerError(f"Job {job_id} has not ended in {PATIENCE:.0f} s: {_where(job)}")
            time.sleep(_PAUSE)
        if job["state"] != "completed":
            raise RunnerError(f"Job {job_id} is {job['state']}: {_why(job)}")
        return job

    def _show(self, step: dict[str, Any]) -> None:
        now = (step["state"], step["attempt"])
        if step["state"] == "queued" or self._shown.get(step["name"]) == now:
            return
        self._shown[step["name"]] = now
        if step["state"] == "in_progress":
            again = f", attempt {step['attempt']}" if step["attempt"] > 1 else ""
            self._terminal.step(f"  {step['name']:<18} began on {step['worker']}{again}")
        else:
            style = Style.GOOD if step["state"] == "completed" else Style.BAD
            self._terminal.step(f"  {step['name']:<18} {step['state']} {_took(step)}", style)


def _took(step: dict[str, Any]) -> str:
    if not (step["started_at"] and step["finished_at"]):
        return ""
    began, ended = (datetime.fromisoformat(step[name]) for name in ("started_at", "finished_at"))
    return f"in {(ended - began).total_seconds():.2f} s"


def _where(job: dict[str, Any]) -> str:
    queue = job["queue"] or {}
    return queue.get("reason") or f"it is {job['state']} at {job['progress']['current']}"


def _why(job: dict[str, Any]) -> str:
    error = job["error"] or {}
    return f"{error.get('detail', 'no reason is recorded')} ({error.get('code', 'no code')})"
