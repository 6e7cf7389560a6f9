"""What people do: turns mostly, and documents, reports, searches, cancels, replays, deletions."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.chaos.journal import Journal, Person
from tests.acceptance.chaos.listening import Listener, ProgramListener
from tests.acceptance.chaos.people import Caller
from tests.acceptance.chaos.world import World

CONVERSATIONS = 6
RECENT = 12
_THINGS = ("lamp", "rope", "tide", "gull", "crane", "buoy", "mast", "harbour", "keel", "anchor")
_DOCUMENT = """# The log of {word}

On the first day the keeper wrote {word} into the book, and nobody knew why.

## Afterwards

They asked about the {thing}, and the answer was {word} once more.
"""


class Life(threading.Thread):
    """One person who goes on until told to end; what goes wrong ends the run."""

    def __init__(
        self, world: World, person: Person, seed: str, *, reads: bool, hears: bool, talk: float
    ) -> None:
        """Prepare.

        Args:
            world: Where.
            person: Who; what is promised to them is written there.
            seed: What decides what they do.
            reads: Whether they keep documents.
            hears: Whether they are told by webhook how their turns end.
            talk: The weight of plain turns among what they do; all else has about 40.
        """
        super().__init__(name=person.email, daemon=True)
        self.error: BaseException | None = None
        self.over = threading.Event()
        self.pause = (0.0, 0.0)
        self._world = world
        self._person = person
        self._chance = random.Random(seed)
        self.caller = Caller(world.stack.url, person, self._chance)
        self.listeners = [
            kind(person, self.caller, f"{seed}/ear") for kind in (Listener, ProgramListener)
        ]
        self._collection = ""
        self._reads = reads
        self._hears = hears
        self._acts: dict[Callable[[], None], float] = {
            self.say: talk,
            self.ask_for_roadmap: 5.0,
            self.report: 5.0,
            self.report_by_mail: 4.0,
            self.cancel: 6.0,
            self.replay: 5.0,
            self.respond: 6.0,
            **({self.upload: 6.0, self.delete: 3.0, self.search: 4.0} if reads else {}),
        }

    def settle_in(self) -> None:
        """Open an account, and a collection with a first document in it."""
        self.caller.sign_up(lambda: self._world.office.to(self._person.email))
        self.caller.get_key()
        if self._hears:
            events = ["job.completed", "job.failed", "job.cancelled"]
            body = {"url": self._world.hooks.url, "events": events, "kinds": ["chat.turn"]}
            told = self.caller.ask("POST", "/api/v1/webhooks/endpoints/", json=body)
            assert told is not None
            assert told.status_code == 201, told.text
        if self._reads:
            made = self.caller.ask("POST", "/api/v1/knowledge/collections/", json={"name": "Logs"})
            assert made is not None
            assert made.status_code == 201, made.text
            self._collection = made.json()["id"]
            self.upload()

    def run(self) -> None:
        """Act, again and again."""
        try:
            for listener in self.listeners:
                listener.start()
            while not self.over.is_set():
                [act] = self._chance.choices(list(self._acts), list(self._acts.values()))
                act()
                self.over.wait(self._chance.uniform(*self.pause))
        except Exception as error:  # noqa: BLE001 - shown at the end of the run
            self.error = error

    def say(self, words: str = "Where is the {thing}?") -> None:
        """Send a turn, mostly into a conversation that there is."""
        known = list(self._person.conversations)[-CONVERSATIONS:]
        goes_on = known and self._chance.random() < 0.8
        body = {"message": words.format(thing=self._thing()) + self._world.directive}
        if goes_on:
            body["conversation_id"] = self._chance.choice(known)
        accepted = self.caller.create("chat.turn", "/api/v1/turns/", json=body)
        if accepted:
            turns = self._person.conversations.setdefault(accepted["conversation_id"], [])
            turns.append(accepted["id"])

    def ask_for_roadmap(self) -> None:
        """Send a turn whose reply becomes a report and an e-mail."""
        self.say("Please give me a roadmap for the {thing}")

    def respond(self) -> None:
        """Have a program ask under /v1, mostly after what it asked before; it may think again."""
        words = f"Where is the {self._thing()}?{self._world.directive}"
        told = [
            one
            for one, heard in self._person.told.copy().items()
            if heard.end == "response.completed"
        ]
        goes_on = told and self._chance.random() < 0.5
        previous = {"previous_response_id": self._chance.choice(told[-RECENT:])} if goes_on else {}
        made = self.caller.respond(input=words, **previous)
        if made and self._chance.random() < 0.1:
            headers = self.caller.as_program()
            answer = self.caller.ask("POST", f"/v1/responses/{made}/cancel", headers=headers)
            if answer is not None and answer.json().get("status") == "cancelled":
                self._person.withdrawn.add(made)

    def report(self, *, email: bool = False) -> None:
        """Order a PDF."""
        body = {"title": f"The {self._thing()}", "content": "# Found\n\nIt is *there*."}
        self.caller.create("reports.report", "/api/v1/reports/", json={**body, "email": email})

    def report_by_mail(self) -> None:
        """Order a PDF by e-mail."""
        self.report(email=True)

    def upload(self) -> None:
        """Upload a document that holds a word of its own."""
        word = "".join(self._chance.choices("bcdfghklmnprstvz", k=3)) + f"{self._number():06d}"
        content = _DOCUMENT.format(word=word, thing=self._thing()).encode()
        accepted = self.caller.create(
            "knowledge.ingest",
            "/api/v1/knowledge/documents/",
            data={"collection": self._collection},
            files={"file": (f"{word}.md", content, "text/markdown")},
        )
        if accepted:
            self._person.documents[accepted["document"]["id"]] = word

    def delete(self) -> None:
        """Delete a document, whatever its state, but not the last one."""
        left = [one for one in self._person.documents if one not in self._person.deleted]
        if len(left) < 2:
            return
        chosen = self._chance.choice(left)
        answer = self.caller.ask("DELETE", f"/api/v1/knowledge/documents/{chosen}/")
        if answer is not None and answer.status_code in {204, 404}:
            self._person.deleted[chosen] = time.time()

    def search(self) -> None:
        """Search for a document, deleted ones included."""
        words = list(self._person.documents.values()) or [self._thing()]
        query = {"query": f"Who wrote {self._chance.choice(words)}?"}
        self.caller.create("knowledge.search", "/api/v1/knowledge/search/", json=query)

    def cancel(self) -> None:
        """Cancel a recent job, if it has not ended yet."""
        recent = list(self._person.accepted)[-RECENT:]
        if recent:
            self._act_on(self._chance.choice(recent), "cancel", self._person.cancelled)

    def replay(self) -> None:
        """Run a failed job again."""
        answer = self.caller.ask("GET", "/api/v1/jobs/?state=failed&limit=5")
        if answer is not None and answer.status_code == 200 and (rows := answer.json()["data"]):
            self._act_on(self._chance.choice(rows)["id"], "retry", self._person.replayed)

    def _act_on(self, job_id: str, verb: str, done: set[str]) -> None:
        answer = self.caller.ask("POST", f"/api/v1/jobs/{job_id}/{verb}/")
        if answer is not None and answer.status_code == 200:
            done.add(job_id)

    def _thing(self) -> str:
        return self._chance.choice(_THINGS)

    def _number(self) -> int:
        return self._chance.randrange(1_000_000)


@dataclass(frozen=True)
class Town:
    """The people of a run."""

    journal: Journal
    lives: list[Life]

    def check(self) -> None:
        """Raise what has gone wrong with one of them."""
        listeners = [one for life in self.lives for one in life.listeners]
        everybody: list[Life | Listener] = [*self.lives, *listeners]
        for one in everybody:
            if one.error is not None:
                raise RuntimeError(f"{one.name} broke") from one.error

    def end(self) -> None:
        """Let everybody finish what they are at."""
        for life in self.lives:
            life.over.set()
        for life in self.lives:
            life.join()
        self.check()

    def hang_up(self) -> None:
        """Let nobody listen any more."""
        listeners = [one for life in self.lives for one in life.listeners]
        for listener in listeners:
            listener.over.set()
        for listener in listeners:
            listener.join()
        self.check()


@contextmanager
def town(world: World, seed: int, people: int, talk: float, readers: int) -> Iterator[Town]:
    """Let people move in; every so many, one keeps documents."""
    journal = Journal()
    lives = [
        Life(
            world,
            journal.join(f"p{number}-of-{seed}-{time.time_ns() % 10**9}@example.com"),
            f"{seed}/{number}",
            reads=world.shape.embed and number % readers == 0,
            hears=number == 0,
            talk=talk,
        )
        for number in range(people)
    ]
    try:
        for life in lives:
            life.settle_in()
        world.has_idempotency = lives[0].caller.is_idempotent()
        yield Town(journal, lives)
    finally:
        for life in lives:
            life.over.set()
            for listener in life.listeners:
                listener.over.set()
            life.caller.close()
