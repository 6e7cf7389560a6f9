"""Those who read texts as they are written, leave in the middle, and come back."""

from __future__ import annotations

import random
import threading
from contextlib import AbstractContextManager
from typing import Any

import httpx

from tests.acceptance.chaos.journal import Heard, Person
from tests.acceptance.chaos.people import Caller
from tests.acceptance.client import FINAL, sent

# How many events somebody reads before leaving, and the seconds until the next try.
EVENTS = (1, 40)
PAUSE = (0.0, 0.5)
LEAVES = 0.3


class Listener(threading.Thread):
    """A person who reads one turn after another to its end, from wherever the line was cut."""

    ends = frozenset(f"job.{state}" for state in FINAL)

    def __init__(self, person: Person, caller: Caller, seed: str) -> None:
        """Prepare."""
        super().__init__(name=f"{type(self).__name__} {person.email}", daemon=True)
        self.error: BaseException | None = None
        self.over = threading.Event()
        self._person, self._caller = person, caller
        self._chance = random.Random(seed)

    def wanted(self) -> tuple[list[str], dict[str, Heard]]:
        """What there is to read, in its order, and what was read."""
        return self._person.turns, self._person.heard

    def stream(self, name: str, place: int | None) -> AbstractContextManager[httpx.Response]:
        """Ask for what follows a place."""
        after = {} if place is None else {"Last-Event-ID": str(place)}
        return self._caller.stream(f"/api/v1/jobs/{name}/events/", after)

    def broke_off(self, name: str, heard: Heard) -> bool:
        """Tell whether a stream that ended without saying how was the last one."""
        return False  # a front door that was told to stop

    def run(self) -> None:
        """Read until told to end."""
        try:
            while not self.over.is_set():
                if (name := self._newest()) is None:
                    self.over.wait(0.2)
                else:
                    self._read(name)
        except Exception as error:  # noqa: BLE001 - shown at the end of the run
            self.error = error

    def _newest(self) -> str | None:
        there, heard = self.wanted()
        return next((name for name in reversed(there) if name not in heard), None)

    def _read(self, name: str) -> None:
        heard = Heard()
        while not self.over.is_set():
            leaves = self._chance.random() < LEAVES
            most = self._chance.randint(*EVENTS) if leaves else 1_000_000
            try:
                if self._listen(name, heard, most):
                    self.wanted()[1][name] = heard
                    return
            except httpx.TransportError:
                heard.cuts += 1
            self.over.wait(self._chance.uniform(*PAUSE))

    def _listen(self, name: str, heard: Heard, most: int) -> bool:
        """Read so many events at most; return whether nothing follows."""
        with self.stream(name, heard.place) as response:
            if response.status_code in {204, 404}:
                return True
            if response.status_code != 200:
                return False
            for count, event in enumerate(sent(response)):
                heard.take(event)
                if event["type"] in self.ends:
                    return True
                if count >= most or self.over.is_set():
                    heard.cuts += 1
                    return False
        return self.broke_off(name, heard)


class ProgramListener(Listener):
    """A program that reads responses under /v1, and goes on after the number that it had."""

    ends = frozenset({"response.completed", "response.failed", "response.incomplete"})

    def wanted(self) -> tuple[list[str], dict[str, Heard]]:
        """What there is to read, in its order, and what was read."""
        return self._person.responses, self._person.told

    def stream(self, name: str, place: int | None) -> AbstractContextManager[httpx.Response]:
        """Ask for what follows a number."""
        after = "" if place is None else f"&starting_after={place}"
        path = f"/v1/responses/{name}?stream=true{after}"
        return self._caller.stream(path, self._caller.as_program())

    def broke_off(self, name: str, heard: Heard) -> bool:
        """Look whether it was cancelled, of which OpenAI's events do not tell."""
        headers: dict[str, Any] = self._caller.as_program()
        answer = self._caller.ask("GET", f"/v1/responses/{name}", headers=headers)
        if answer is None or answer.json().get("status") != "cancelled":
            return False
        heard.end = "response.cancelled"
        return True
