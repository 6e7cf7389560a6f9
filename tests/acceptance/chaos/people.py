"""Clients as real ones are: they send again what was not answered, with the same key."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import httpx

from tests.acceptance.chaos.journal import Person
from tests.acceptance.client import PASSWORD

# Seconds after which a client gives up on an answer, and the most that it waits between two tries.
PATIENCE = 60.0
PAUSE = 1.5
LETTER_SECONDS = 30.0
_TIMEOUT = httpx.Timeout(12.0, connect=3.0)
_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class Caller:
    """One person's requests over HTTP."""

    def __init__(self, url: str, person: Person, chance: random.Random) -> None:
        """Prepare to speak to a front door."""
        self.person = person
        self._chance = chance
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT)
        self._key = ""

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def sign_up(self, letters: Callable[[], list[dict[str, Any]]]) -> None:
        """Register, sign in, and follow the link that comes by e-mail, if it ever comes."""
        body = {"email": self.person.email, "password": PASSWORD}
        self.ask("POST", "/api/v1/accounts/", json=body)
        tokens = self.ask("POST", "/api/v1/tokens/", json=body)
        assert tokens is not None, "nobody could sign in"
        self._http.headers["Authorization"] = f"Bearer {tokens.json()['access']}"
        deadline = time.monotonic() + LETTER_SECONDS
        while not letters():
            if time.monotonic() > deadline:
                return  # the checks will say so
            time.sleep(0.1)
        link = re.search(r"https?://\S+", letters()[0]["text"])
        assert link is not None
        verified = self.ask("GET", link[0])
        assert verified is not None
        assert verified.status_code == 200, verified.text

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Send until there is an answer that ends the matter; None when patience is at its end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError:
                time.sleep(self._chance.uniform(0.1, 0.5))
                continue
            if answer.status_code not in _AGAIN:
                return answer
            wait = answer.headers.get("Retry-After", "1")
            time.sleep(min(float(wait) if wait.isdecimal() else 1.0, PAUSE))
        return None

    def stream(
        self, path: str, headers: Mapping[str, str]
    ) -> AbstractContextManager[httpx.Response]:
        """Get something that comes by and by."""
        return self._http.stream("GET", path, headers=headers)

    def create(self, kind: str, path: str, **options: Any) -> dict[str, Any] | None:
        """Ask for a job; return the answer's body, or None when it was refused or is unknown."""
        if (body := self._create(kind, path, 202, {}, options)) is None:
            return None
        job = body.get("job", body)
        self.person.accepted[job["id"]] = job["kind"]
        if kind == "chat.turn":
            self.person.turns.append(job["id"])
        return body

    def respond(self, **body: Any) -> str | None:
        """Ask for a response in the background, as a program does; return its id, or None."""
        body = {**body, "background": True}
        made = self._create(
            "responses.response", "/v1/responses", 200, self.as_program(), {"json": body}
        )
        if made is None:
            return None
        self.person.responses.append(made["id"])
        return str(made["id"])

    def as_program(self) -> dict[str, str]:
        """The header that a program of this person's shows."""
        return {"Authorization": f"Bearer {self._key}"}

    def get_key(self) -> None:
        """Make a key for a program."""
        made = self.ask("POST", "/api/v1/api-keys/", json={"name": "program", "scopes": ["openai"]})
        assert made is not None
        assert made.status_code == 201, made.text
        self._key = made.json()["key"]

    def _create(
        self,
        kind: str,
        path: str,
        status: int,
        headers: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> dict[str, Any] | None:
        key = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        self.person.keys[kind] += 1
        answer = self.ask("POST", path, headers={"Idempotency-Key": key, **headers}, **options)
        if answer is None:
            self.person.unknown[kind] += 1
            return None
        if answer.status_code != status:
            self.person.refused[f"{kind} {answer.status_code}"] += 1
            return None
        body: dict[str, Any] = answer.json()
        return body

    def is_idempotent(self) -> bool:
        """Whether a request that is sent twice with one key makes one job."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"message": "Is anybody there?"}
        answers = [self.ask("POST", "/api/v1/turns/", json=body, headers=headers) for _ in "12"]
        ids = {answer.json()["id"] for answer in answers if answer is not None}
        self.person.keys["chat.turn"] += len(ids)
        self.person.accepted |= dict.fromkeys(ids, "chat.turn")
        return len(ids) == 1
