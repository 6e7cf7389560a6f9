"""A person's client: plain HTTP, as the API guide shows it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

FINAL = {"completed", "failed", "cancelled", "incomplete"}
PASSWORD = "a quiet long password"


@dataclass
class Reading:
    """What somebody has read of a job's log, over however many streams."""

    place: int | None = None
    text: str = ""
    kinds: list[str] = field(default_factory=list)
    last: Any = None

    def take(self, event: Any) -> None:
        """Read one event; none comes twice."""
        number = event["sequence_number"]
        assert self.place is None or number > self.place, (number, self.place)
        self.place, self.last = number, event
        if event["type"] == "text.delta":
            self.text += event["delta"]
            return
        self.kinds.append(event["type"])
        if event["type"] == "text.restarted":
            self.text = ""


def sent(response: httpx.Response) -> Iterator[Any]:
    """Yield the events of a stream as they come."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


class Client:
    """One account's requests."""

    def __init__(self, url: str, email: str) -> None:
        """Prepare to speak to a front door."""
        self.email = email
        self._http = httpx.Client(base_url=url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def sign_up(self, password: str = PASSWORD) -> None:
        """Register, and sign in."""
        body = {"email": self.email, "password": password}
        assert self._http.post("/api/v1/accounts/", json=body).status_code == 202
        tokens = self._http.post("/api/v1/tokens/", json=body)
        assert tokens.status_code == 200, tokens.text
        self._http.headers["Authorization"] = f"Bearer {tokens.json()['access']}"

    @property
    def token(self) -> str:
        """What it signs in with."""
        return self._http.headers["Authorization"].removeprefix("Bearer ")

    def verify(self, text: str) -> None:
        """Follow the link of the verification e-mail."""
        link = re.search(r"https?://\S+", text)
        assert link is not None, text
        assert self._http.get(link[0]).status_code == 200

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send anything, and return whatever comes."""
        return self._http.request(method, path, **options)

    def get(self, path: str) -> Any:
        """Get JSON; anything but 200 fails the test."""
        response = self._http.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any) -> Any:
        """Post JSON that is accepted as a job."""
        response = self._http.post(path, json=body)
        assert response.status_code in {201, 202}, response.text
        return response.json()

    def send_document(self, collection: str, name: str, content: bytes) -> Any:
        """Upload a document into a collection; return it with its job, which has just begun."""
        response = self._http.post(
            "/api/v1/knowledge/documents/",
            data={"collection": collection},
            files={"file": (name, content)},
        )
        assert response.status_code == 202, response.text
        return response.json()

    def upload(self, collection: str, name: str, content: bytes) -> Any:
        """Upload a document into a new collection; return it when its job has ended."""
        made = self.post("/api/v1/knowledge/collections/", {"name": collection})
        accepted = self.send_document(made["id"], name, content)
        job = self.wait(accepted["job"]["id"], seconds=120)
        assert job["state"] == "completed", job
        return accepted["document"]

    def download(self, url: str) -> bytes:
        """Fetch an artifact."""
        response = self._http.get(url)
        assert response.status_code == 200, response.text
        return response.content

    def wait(self, job_id: str, *, seconds: float = 60) -> Any:
        """Poll a job until it has ended."""
        deadline = time.monotonic() + seconds
        while (job := self.get(f"/api/v1/jobs/{job_id}/"))["state"] not in FINAL:
            assert time.monotonic() < deadline, f"not ended after {seconds} s: {job}"
            time.sleep(0.1)
        return job

    def stream(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[httpx.Response]:
        """Get something that comes by and by."""
        return self._http.stream("GET", path, headers=headers)

    def events(self, job_id: str, after: int | None = None) -> Iterator[Any]:
        """Read a job's stream from a place on, until it ends or is cut."""
        place = {} if after is None else {"Last-Event-ID": str(after)}
        with self.stream(f"/api/v1/jobs/{job_id}/events/", place) as response:
            if response.status_code == 204:
                return
            assert response.status_code == 200, response.read()
            yield from sent(response)

    def read(
        self,
        job_id: str,
        reading: Reading,
        until: Callable[[Reading], bool] = lambda _: False,
        *,
        seconds: float = 60,
    ) -> Reading:
        """Read on, as a browser does: after a cut from where it was, until nothing follows."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                begun_at = reading.place
                for event in self.events(job_id, reading.place):
                    reading.take(event)
                    if until(reading):
                        return reading
                if reading.place == begun_at:
                    return reading
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"not ended after {seconds} s: {reading}")

    def turn(self, message: str, **fields: Any) -> Any:
        """Send a turn; return the accepted job."""
        return self.post("/api/v1/turns/", {"message": message, **fields})
