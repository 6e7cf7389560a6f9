"""A small HTTP client for the product on this machine."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

# A proxy from the environment has no business between two processes of one machine.
_opener = build_opener(ProxyHandler({}))
_TIMEOUT: Final = 40.0  # seconds; more than the longest wait that is asked for


class ApiError(Exception):
    """The product refused a request, or did not answer.

    Attributes:
        status: The HTTP status; 0 when there was no answer.
        body: The answer's JSON, or an empty object.
    """

    def __init__(self, message: str, *, status: int = 0, body: Any = None) -> None:
        """Say what was asked and what came of it."""
        super().__init__(message)
        self.status = status
        self.body = body if isinstance(body, dict) else {}


class Client:
    """Speaks to one product, signed in once `sign_in` has been called."""

    def __init__(self, address: str) -> None:
        """Remember where it is."""
        self._address = address
        self._token = ""

    @property
    def is_signed_in(self) -> bool:
        """Whether there is an access token; it is good for ACCESS_TOKEN_SECONDS."""
        return bool(self._token)

    def sign_in(self, email: str, password: str) -> None:
        """Get an access token for what follows."""
        answer = self.call("POST", "/api/v1/tokens/", {"email": email, "password": password})
        self._token = answer["access"]

    def get(self, path: str) -> Any:
        """Return the JSON at a path."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send JSON and return JSON.

        Raises:
            ApiError: It was refused, or there was no answer.
        """
        return _json(self.fetch(method, path, None if body is None else json.dumps(body).encode()))

    def fetch(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Send bytes of JSON and return the answer's bytes; raises ApiError as `call` does."""
        url = path if path.startswith("http") else self._address + path
        request = Request(url, data=body, method=method)  # noqa: S310 - our own address
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with _opener.open(request, timeout=_TIMEOUT) as answer:
                return bytes(answer.read())
        except HTTPError as error:
            with error:
                content = _json(error.read())
            detail = content.get("detail", "") if isinstance(content, dict) else ""
            message = f"{method} {path} was answered with {error.code}. {detail}".strip()
            raise ApiError(message, status=error.code, body=content) from error
        except (OSError, HTTPException) as error:
            raise ApiError(f"{method} {path} was not answered: {error}") from error


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return {}
