"""No secret is written where people look: logs, messages on the broker, the admin's pages."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from redis import Redis

from tests.acceptance.receiver import webhook_receiver
from tests.acceptance.stack import PLAIN_TURN, Stack, running_stack, until

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow, pytest.mark.needs("redis")]

EMAIL, STAFF = "ada@example.com", "root"
ENVIRONMENT = {"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOW_PRIVATE": "true"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, services: dict[str, str]) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("home")
    environment = {**services, **ENVIRONMENT, "DJANGO_SUPERUSER_PASSWORD": _secret("staff")}
    with running_stack(home, environment, only=(*PLAIN_TURN, "mail", "beat")) as stack:
        yield stack


def _secret(kind: str) -> str:
    return f"hush-{kind}-{secrets.token_urlsafe(12)}"


@contextmanager
def overheard(url: str) -> Iterator[list[str]]:
    """Note every command that Redis is sent, whoever sends it."""
    heard: list[str] = []
    client = Redis.from_url(url)
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]  # redis-py forgot it
        threading.Thread(target=_listen, args=(monitor, heard), daemon=True).start()
        yield heard
        mark = secrets.token_hex(8)
        client.echo(mark)
        until(lambda: any(mark in line for line in heard))
    client.close()


def _listen(monitor: Any, heard: list[str]) -> None:
    try:
        for command in monitor.listen():
            heard.append(command["command"])  # noqa: PERF401 - each is wanted as it comes
    except (OSError, ValueError):
        return  # it was closed


class Person:
    """Somebody who uses all that has a secret, and remembers each."""

    def __init__(self, stack: Stack) -> None:
        """Prepare a client, and what is sent where it does not belong."""
        self.http = httpx.Client(base_url=stack.url, timeout=30)
        self._outbox = stack.home / "outbox"
        self.known = {name: _secret(name) for name in ("password", "chosen", "stray", "header")}

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        """Send JSON."""
        return self.http.post(f"/api/v1/{path}", json=body, **options)

    def lives(self, endpoint: str) -> None:
        """Sign up, sign in by each way, make a key and an endpoint, choose another password."""
        who = {"email": EMAIL, "password": self.known["password"]}
        assert self.post("accounts/", who).status_code == 202
        verify = self._link("verify", "Please verify")
        assert self.http.get(verify).status_code == 200
        self._signs_in(self.post("tokens/", who))
        key = self.post("api-keys/", {"name": "ci", "scopes": ["read", "write"]})
        made = self.post("webhooks/endpoints/", {"url": endpoint, "events": ["job.completed"]})
        assert (key.status_code, made.status_code) == (201, 201), key.text + made.text
        self.known |= {"key": key.json()["key"], "endpoint": made.json()["secret"]}
        shown = {"Authorization": f"Bearer {self.known['key']}"}
        assert self.post("turns/", {"message": "Hello"}, headers=shown).status_code == 202
        self.post("accounts/sign-in-links/", {"email": EMAIL})
        self._signs_in(self.post("tokens/by-link/", {"token": self._token("link", "sign in")}))
        self.post("accounts/password-resets/", {"email": EMAIL})
        chosen = {"token": self._token("reset", "another password")}
        chosen["password"] = self.known["chosen"]
        assert self.post("accounts/password-resets/confirm/", chosen).status_code == 200

    def errs(self) -> None:
        """Send secrets where they do not belong; each time an error is the answer."""
        stray, header = self.known["stray"], self.known["header"]
        shown = {"Authorization": f"Bearer tpk_{header}", "X-Secret": header}
        place = f"/api/v1/nothing/?token={stray}"
        broken = f'{{"password": "{stray}"'.encode()
        typed = {"Content-Type": "application/json"}
        answers = [
            self.http.get(place),
            self.http.get("/api/v1/jobs/", headers=shown),
            self.http.get(f"/api/v1/accounts/verify/?token={stray}"),
            self.http.get(f"/v1/models?key={stray}", headers=shown),
            self.http.get(f"/nothing/?password={stray}"),
            self.http.post("/api/v1/tokens/", content=broken, headers=typed),
            self.post("tokens/", {"username": EMAIL, "password": stray}),
            self.post("tokens/", {"username": "nobody", "password": stray}),
            self.post("tokens/refresh/", {"refresh": stray}),
            self.post("accounts/", {"email": stray, "password": stray}),
            self.post("webhooks/endpoints/", {"url": f"ftp://{stray}@here/", "events": [stray]}),
            self.http.post("/admin/login/", data={"username": "ada", "password": stray}),
        ]
        assert [answer.status_code for answer in answers if answer.status_code < 400] == []
        # A client may be told what it sent, but in no error's words.
        told = [answer.text for answer in answers if stray in answer.text or header in answer.text]
        assert told == []

    def _signs_in(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        self.known |= {f"{name}-{len(self.known)}": tokens[name] for name in tokens}
        self.http.headers["Authorization"] = f"Bearer {tokens['access']}"

    def _token(self, kind: str, subject: str) -> str:
        return httpx.URL(self._link(kind, subject)).params["token"]

    def _link(self, kind: str, subject: str) -> str:
        found: list[str] = []

        def has_come() -> bool:
            texts = [file.read_text() for file in self._outbox.rglob("*.eml")]
            texts = [text.replace("=\n", "").replace("=3D", "=") for text in texts]
            found.extend(
                link for text in texts if subject in text for link in re.findall(r"http\S+", text)
            )
            return bool(found)

        until(has_come, seconds=60)
        self.known[kind] = httpx.URL(found[0]).params["token"]
        return found[0]


def _admin_pages(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every list of the admin, and every page that a list links to."""
    with httpx.Client(base_url=stack.url, timeout=60, follow_redirects=True) as http:
        form = http.get("/admin/login/").text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert found is not None
        password = stack.environment["DJANGO_SUPERUSER_PASSWORD"]
        body = {"username": STAFF, "password": password, "csrfmiddlewaretoken": found[1]}
        http.post("/admin/login/?next=/admin/", data=body)
        lists = set(re.findall(r'href="(/admin/\w+/\w+/)"', http.get("/admin/").text))
        assert len(lists) > 20
        for place in sorted(lists):
            page = http.get(place).text
            yield place, page
            for row in set(re.findall(rf'href="({place}[^"/?]+/change/)', page)):
                yield row, http.get(row).text


def test_no_secret_is_found_anywhere(stack: Stack) -> None:
    stack.manage("createsuperuser", "--noinput", "--username", STAFF, "--email", "root@here.org")
    person = Person(stack)
    with overheard(stack.environment["REDIS_URL"]) as heard, webhook_receiver() as receiver:
        person.errs()
        person.lives(receiver.url)
        person.errs()
        until(lambda: bool(receiver.ids), seconds=60)
        person.http.close()

    messages = [line for line in heard if "PUSH" in line]
    assert len(messages) > 5
    logs = {file.name: file.read_text(errors="replace") for file in stack.home.glob("*.log")}
    assert len(logs) == len(stack.running)
    places = {"redis": "\n".join(heard), **logs, **dict(_admin_pages(stack))}
    assert any("/accounts/user/" in place and "/change/" in place for place in places)
    found = {
        (place, name)
        for place, text in places.items()
        for name, secret in person.known.items()
        if secret in text or secret in unquote(text)
    }
    assert found == set()
    staff = stack.environment["DJANGO_SUPERUSER_PASSWORD"]
    assert [place for place, text in places.items() if staff in text] == []
