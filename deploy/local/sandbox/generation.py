"""One answer in the making: how far it is, and a way to wait for more of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import uuid4

from deploy.local.sandbox.answers import pieces
from deploy.local.sandbox.directives import Directives
from deploy.local.sandbox.requests import Order

State: TypeAlias = Literal[
    "queued", "in_progress", "completed", "failed", "cancelled", "incomplete"
]
FINAL = frozenset({"completed", "failed", "cancelled", "incomplete"})


@dataclass(frozen=True)
class Outcome:
    """How a generation is going to end, settled when it begins.

    Attributes:
        state: Its last state, unless it is cancelled.
        pieces: How many pieces of its text it gives.
        reason: Why it is incomplete, or the code of its failure.
    """

    state: State
    pieces: int
    reason: str = ""


class Generation:
    """A text that becomes known piece by piece.

    Finished ones keep the text, not the events: those are made anew from it for every replay.
    """

    def __init__(self, order: Order, directives: Directives) -> None:
        """Plan the whole course; `run` walks it.

        Args:
            order: What the client wants.
            directives: Those of the order's directives that this request suffers.
        """
        self.id = f"resp_{uuid4().hex}"
        self.order = order
        self.directives = directives
        self.state: State = "queued"
        self.sent = 0
        self.created_at = int(time.time())
        self.completed_at: int | None = None
        self.outcome = _outcome(order, directives)
        self._news = asyncio.Event()

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self.state in FINAL

    def pieces(self) -> list[str]:
        """Give all pieces that this generation will ever give."""
        return pieces(self.order.text)[: self.outcome.pieces]

    def text(self) -> str:
        """Give the text as far as it is known."""
        return "".join(self.pieces()[: self.sent])

    async def run(self) -> None:
        """Take the course, pausing as ordered."""
        if self.directives.stuck:
            await asyncio.Event().wait()
        self._move("in_progress")
        await asyncio.sleep(self.directives.latency)
        if self.directives.delta:
            for _ in range(self.outcome.pieces):
                self.sent += 1
                self._tell()
                await asyncio.sleep(self.directives.delta)
        self.sent = self.outcome.pieces
        self._move(self.outcome.state)

    def cancel(self) -> None:
        """End it as cancelled, unless it has ended."""
        if not self.done:
            self._move("cancelled")

    async def progress(self) -> AsyncIterator[None]:
        """Yield at once and then whenever there is more, the last time when it is done."""
        while not self.done:
            news = self._news
            yield
            await news.wait()
        yield

    def _move(self, state: State) -> None:
        self.state = state
        if self.done:
            self.completed_at = int(time.time())
        self._tell()

    def _tell(self) -> None:
        """Wake all who wait; whoever waits next waits for the next news."""
        self._news.set()
        self._news = asyncio.Event()


def _outcome(order: Order, directives: Directives) -> Outcome:
    """Take the limit that comes first; a limit that the text does not reach ends nothing."""
    limits: list[tuple[int | None, State, str]] = [
        (order.max_output_tokens, "incomplete", "max_output_tokens"),
        (directives.incomplete_after, "incomplete", "max_output_tokens"),
        (directives.filter_after, "incomplete", "content_filter"),
        (directives.fail_after, "failed", directives.fail_code),
    ]
    whole = len(pieces(order.text))
    reached = [
        Outcome(state, limit, reason)
        for limit, state, reason in limits
        if limit is not None and limit < whole
    ]
    return min(reached, key=lambda end: end.pieces, default=Outcome("completed", whole))
