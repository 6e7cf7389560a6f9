"""What the sandbox remembers: the last responses, the counts, and whom it has already failed."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque

from deploy.local.sandbox.directives import Directives
from deploy.local.sandbox.generation import Generation
from deploy.local.sandbox.requests import Order
from deploy.local.sandbox.shapes import ApiError


class Store:
    """All state of one sandbox process; the event loop is its only thread.

    Each of its tables keeps `keep` entries and then lets the oldest go.
    """

    def __init__(self, keep: int) -> None:
        """Begin empty."""
        self._keep = keep
        self._clear()

    def _clear(self) -> None:
        self.counts: Counter[str] = Counter()
        self._responses: OrderedDict[str, Generation] = OrderedDict()
        self._running: dict[Generation, asyncio.Task[None]] = {}
        self._jobs: OrderedDict[str, int] = OrderedDict()
        self._faults: OrderedDict[str, int] = OrderedDict()
        self._timeline: deque[tuple[float, str, str]] = deque(maxlen=self._keep)

    def reset(self) -> None:
        """Stop everything and forget everything."""
        for generation in list(self._running):
            self.stop(generation)
        self._clear()

    def statistics(self) -> dict[str, object]:
        """Give the counts by kind, and the generations of each job."""
        return {**self.counts, "kept": len(self._responses), "jobs": dict(self._jobs)}

    def timeline(self) -> list[tuple[float, str, str]]:
        """Give what happened when: (seconds since the epoch, what, the job's id)."""
        return list(self._timeline)

    def note(self, what: str, order: Order) -> None:
        """Put down that something happened just now."""
        self._timeline.append((time.time(), what, order.job_id))

    def due_faults(self, order: Order) -> Directives:
        """Give the directives that this request suffers, counting it when `times` limits them."""
        directives = order.directives
        if directives.times is None:
            return directives
        seen = self._count(self._faults, order.fingerprint)
        return directives if seen <= directives.times else directives.without_faults()

    def begin(self, generation: Generation) -> asyncio.Task[None]:
        """Start a generation; it runs on until it ends or `stop` is called."""
        self.counts["started"] += 1
        if generation.order.job_id:
            self._count(self._jobs, generation.order.job_id)
        task = asyncio.create_task(self._run(generation))
        self._running[generation] = task
        # The most generations that ever went on at once.
        self.counts["peak"] = max(self.counts["peak"], len(self._running))
        self.note("begun", generation.order)
        return task

    def remember(self, generation: Generation) -> None:
        """Keep a generation for later retrieval, in place of the oldest finished ones."""
        self._responses[generation.id] = generation
        if len(self._responses) > self._keep:
            oldest = next((key for key, kept in self._responses.items() if kept.done), None)
            if oldest:
                del self._responses[oldest]

    def get(self, response_id: str) -> Generation:
        """Find a response.

        Raises:
            ApiError: 404.
        """
        try:
            return self._responses[response_id]
        except KeyError:
            raise ApiError(404, f"Response with id '{response_id}' not found.") from None

    def forget(self, generation: Generation) -> None:
        """Stop a response and delete it."""
        self.stop(generation)
        self._responses.pop(generation.id, None)

    def stop(self, generation: Generation) -> None:
        """Cancel a generation if it is still going on."""
        if not generation.done:
            self.note("stopped", generation.order)
        generation.cancel()
        task = self._running.pop(generation, None)
        if task is not None:
            task.cancel()

    async def _run(self, generation: Generation) -> None:
        try:
            await generation.run()
            self.counts[generation.state] += 1
            self.note(generation.state, generation.order)
        finally:
            self._running.pop(generation, None)

    def _count(self, table: OrderedDict[str, int], key: str) -> int:
        table[key] = table.get(key, 0) + 1
        if len(table) > self._keep:
            table.popitem(last=False)
        return table.get(key, 0)
