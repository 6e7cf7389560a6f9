"""People who read their turns as they are written, leave in the middle, and come back."""

from __future__ import annotations

import random
import threading

import httpx

from tests.acceptance.chaos.journal import Heard, Person
from tests.acceptance.chaos.people import Caller
from tests.acceptance.client import FINAL, sent

# How many events somebody reads before leaving, and the seconds until the next try.
EVENTS = (1, 40)
PAUSE = (0.0, 0.5)
LEAVES = 0.3
_ENDS = {f"job.{state}" for state in FINAL}


class Listener(threading.Thread):
    """Reads one turn after another to its end, from wherever the last stream was cut."""

    def __init__(self, person: Person, caller: Caller, seed: str) -> None:
        """Prepare."""
        super().__init__(name=f"listener-{person.email}", daemon=True)
        self.error: BaseException | None = None
        self.over = threading.Event()
        self._person, self._caller = person, caller
        self._chance = random.Random(seed)

    def run(self) -> None:
        """Read until told to end."""
        try:
            while not self.over.is_set():
                if (job_id := self._newest()) is None:
                    self.over.wait(0.2)
                else:
                    self._read(job_id)
        except Exception as error:  # noqa: BLE001 - shown at the end of the run
            self.error = error

    def _newest(self) -> str | None:
        turns, heard = self._person.turns, self._person.heard
        return next((job for job in reversed(turns) if job not in heard), None)

    def _read(self, job_id: str) -> None:
        heard = Heard()
        while not self.over.is_set():
            leaves = self._chance.random() < LEAVES
            most = self._chance.randint(*EVENTS) if leaves else 1_000_000
            try:
                if self._listen(job_id, heard, most):
                    self._person.heard[job_id] = heard
                    return
            except httpx.TransportError:
                heard.cuts += 1
            self.over.wait(self._chance.uniform(*PAUSE))

    def _listen(self, job_id: str, heard: Heard, most: int) -> bool:
        """Read so many events at most; return whether nothing follows."""
        place = {} if heard.place is None else {"Last-Event-ID": str(heard.place)}
        with self._caller.stream(f"/api/v1/jobs/{job_id}/events/", place) as response:
            if response.status_code in {204, 404}:
                return True
            if response.status_code != 200:
                return False
            for count, event in enumerate(sent(response)):
                heard.take(event)
                if event["type"] in _ENDS:
                    return True
                if count >= most or self.over.is_set():
                    heard.cuts += 1
                    return False
        # It ended without saying how: a front door that was told to stop.
        return False
