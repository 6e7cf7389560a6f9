"""Shows Turnpike's main job at work: `python -m deploy.local.demo`, which is `make demo`."""

from __future__ import annotations

import hashlib
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

from deploy.local.announce import DEMO_EMAIL, password_file
from deploy.local.client import ApiError, Client
from deploy.local.errors import RunnerError, StopRequested
from deploy.local.follow import Follower
from deploy.local.plan import Plan, read_plan
from deploy.local.product import running_product
from deploy.local.terminal import Style, Terminal

_QUESTION: Final = "What does the relay find in the database and publish again?"
# A real model is asked for the words that order the report; the sandbox says them by itself.
_ORDER: Final = (
    "Write a short AI roadmap for a support team of twenty people that wants to answer from its "
    "own documents. Begin with the words: Here is the finalized AI roadmap."
)


def main() -> int:
    """Run the demo; return the exit status."""
    terminal = Terminal()
    signal.signal(signal.SIGTERM, _stop)
    try:
        plan = read_plan()
        with running_product(plan, terminal) as address:
            Demo(plan, Client(address), terminal).run()
    except (RunnerError, ApiError) as error:
        terminal.line(f"\nThe demo failed. {error}", Style.BAD)
        return 1
    except (KeyboardInterrupt, StopRequested):
        terminal.line("\nStopped.", Style.WARN)
        return 1
    return 0


def _stop(_: int, __: FrameType | None) -> None:
    raise StopRequested


class Demo:
    """A question about the documentation, and a reply that becomes a report and an e-mail."""

    def __init__(self, plan: Plan, client: Client, terminal: Terminal) -> None:
        """Try the product that a client reaches."""
        self._plan = plan
        self._client = client
        self._terminal = terminal

    def run(self) -> None:
        """Do all of it.

        Raises:
            ApiError: The product refuses something or does not answer.
            RunnerError: A job failed, or its effect is missing.
        """
        password = password_file(self._plan.home).read_text(encoding="utf-8").strip()
        self._client.sign_in(DEMO_EMAIL, password)
        self._terminal.step(f"Signed in as {DEMO_EMAIL}")
        answered = self._turn(_QUESTION, {})
        self._show_reply(answered)
        ordered = self._turn(_ORDER, {"conversation_id": answered["conversation_id"]})
        self._terminal.step(f"The reply has {len(ordered['text'])} characters")
        self._terminal.line("\nThe reply says that the roadmap is final, which orders a report.")
        report = self._follow(self._child(ordered["job_id"]))
        pdf = self._download(report)
        self._terminal.line("\nWhat it left behind", Style.STRONG)
        self._terminal.line(f"  PDF      {pdf}")
        self._terminal.line(f"  E-mail   {self._email(report['id'])}")
        self._terminal.line(f"\nAll done after {self._terminal.seconds:.1f} s.", Style.GOOD)

    def _turn(self, message: str, more: dict[str, str]) -> dict[str, Any]:
        """Send a turn and follow it; return its result, and its id as `job_id`."""
        self._terminal.line(f"\n> {message}", Style.STRONG)
        job = self._client.call("POST", "/api/v1/turns/", {"message": message, **more})
        self._terminal.step(f"Accepted as job {job['id']}")
        result = self._follow(job["id"])["result"]
        return {**result, "job_id": job["id"]}

    def _follow(self, job_id: str) -> dict[str, Any]:
        return Follower(self._client, self._terminal).follow(job_id)

    def _show_reply(self, result: dict[str, Any]) -> None:
        path = f"/api/v1/conversations/{result['conversation_id']}/messages/"
        messages = self._client.get(path)["data"]
        reply = next(one for one in messages if one["id"] == result["message_id"])
        self._terminal.line("\n" + reply["content"] + "\n")
        for cited in reply["citations"]:
            where = f"[{cited['number']}] {cited['title']}, passage {cited['position'] + 1}"
            self._terminal.line(f"  {where}", Style.QUIET)
        if not reply["citations"] and self._plan.sandbox_port is not None:
            raise RunnerError("The answer cites nothing: the documentation was not found.")

    def _child(self, job_id: str) -> str:
        children = self._client.get(f"/api/v1/jobs/{job_id}/")["children"]
        if not children:
            raise RunnerError("The reply ordered no report: it lacks the words that do.")
        self._terminal.step(f"Job {children[0]['id']} ({children[0]['kind']}) follows")
        return str(children[0]["id"])

    def _download(self, report: dict[str, Any]) -> Path:
        """Fetch the report's PDF as its owner would; return where it lies now."""
        artifact = next(one for one in report["artifacts"] if one["name"].endswith(".pdf"))
        content = self._client.fetch("GET", artifact["url"])
        is_whole = hashlib.sha256(content).hexdigest() == artifact["sha256"]
        if not is_whole or not content.startswith(b"%PDF-"):
            raise RunnerError(f"{artifact['name']} did not arrive as it was made.")
        folder = self._plan.home / "demo"
        folder.mkdir(exist_ok=True)
        path = folder / Path(artifact["name"]).name
        path.write_bytes(content)
        return path

    def _email(self, job_id: str) -> str:
        """Say where the report's e-mail went."""
        emails = self._client.get("/api/v1/emails/")["data"]
        email = next((one for one in emails if one["job_id"] == job_id), None)
        if email is None or email["state"] != "sent":
            raise RunnerError("The report's e-mail was not sent.")
        if self._plan.mail_transport != "files":
            return f"sent to {email['to']} by {self._plan.mail_transport}"
        for path in (self._plan.home / "outbox").glob("*.eml"):
            if email["message_id"].encode() in path.read_bytes():
                return str(path)
        raise RunnerError("The report's e-mail is not in the outbox.")


if __name__ == "__main__":
    sys.exit(main())
