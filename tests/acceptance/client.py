"""A person's client: plain HTTP, as the API guide shows it."""

from __future__ import annotations

import re
import time
from typing import Any, Self

import httpx

FINAL = {"completed", "failed", "cancelled", "incomplete"}
PASSWORD = "a quiet long password"


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

    def sign_up(self) -> None:
        """Register, and sign in."""
        body = {"email": self.email, "password": PASSWORD}
        assert self._http.post("/api/v1/accounts/", json=body).status_code == 202
        tokens = self._http.post("/api/v1/tokens/", json=body)
        assert tokens.status_code == 200, tokens.text
        self._http.headers["Authorization"] = f"Bearer {tokens.json()['access']}"

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

    def turn(self, message: str, **fields: Any) -> Any:
        """Send a turn; return the accepted job."""
        return self.post("/api/v1/turns/", {"message": message, **fields})
