"""Whether the product serves: its front door says so, and the documentation has been read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from deploy.local.announce import DEMO_EMAIL, password_file
from deploy.local.client import ApiError, Client

_FRONT_DOOR: Final = "the front door"


class Readiness:
    """Asks again and again."""

    def __init__(self, address: str, home: Path) -> None:
        """Ask the product at an address, as the demo user of a home."""
        self._client = Client(address)
        self._home = home

    def missing(self) -> list[str]:
        """Name what is still waited for; nothing means that all is ready."""
        try:
            return self._unready() + self._unread()
        except ApiError as error:
            return [_FRONT_DOOR if not error.status else str(error)]

    def _unready(self) -> list[str]:
        try:
            self._client.get("/readyz")
        except ApiError as error:
            checks = error.body.get("checks", [])
            return [check["name"] for check in checks if not check["ok"]] or [_FRONT_DOOR]
        return []

    def _unread(self) -> list[str]:
        if not self._client.is_signed_in:
            password = password_file(self._home).read_text(encoding="utf-8").strip()
            self._client.sign_in(DEMO_EMAIL, password)
        documents = self._client.get("/api/v1/knowledge/documents/?limit=200")["data"]
        states = Counter(document["state"] for document in documents)
        waiting = states["processing"]
        return [f"the documentation ({waiting} of {len(documents)} files)"] if waiting else []
