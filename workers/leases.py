"""Keeps the leases of all steps that run in this process, from one thread, and sees them lost.

A step that has run past its time limit loses its lease: a pool of threads cannot interrupt it,
but the relay can give it to somebody else, and the fence keeps it from recording anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings

from pipelines.core.database import survive
from pipelines.core.errors import StaleAttempt, TurnpikeError
from pipelines.core.processes import PerProcess
from pipelines.core.steps import step
from pipelines.jobs.claims import Claim, claims_lost, leases_extend

OnLost = Callable[[TurnpikeError], None]


@dataclass
class _Held:
    """What is known of a claim that is held: until when, how it was lost, whom that concerns."""

    limit: float
    lost: TurnpikeError | None = None
    on_lost: OnLost | None = None


class LeaseKeeper:
    """Extends every held lease each HEARTBEAT_SECONDS, and looks more often which were lost."""

    def __init__(self) -> None:
        """Start with nothing held; the thread starts with the first claim."""
        self._held: dict[Claim, _Held] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def hold(self, claim: Claim) -> Iterator[None]:
        """Keep a lease for as long as the body runs."""
        with self._lock:
            self._held[claim] = _Held(time.monotonic() + step(claim.name).time_limit)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(claim, None)

    @contextmanager
    def on_lost(self, claim: Claim, callback: OnLost) -> Iterator[None]:
        """Call back, once and in a thread of its own, if the claim is lost inside the block."""
        held = self._held[claim]
        with self._lock:
            held.on_lost = callback
            if held.lost is not None:
                _call(held, held.lost)
        try:
            yield
        finally:
            with self._lock:
                held.on_lost = None

    def check(self, claim: Claim) -> None:
        """Raise how the claim was lost, if it was; cheap enough for every token.

        Raises:
            JobCancelled: The job has ended; nobody goes on with the step.
            StaleAttempt: Another attempt goes on with it, or will.
        """
        held = self._held.get(claim)
        if held is not None and held.lost is not None:
            raise type(held.lost)

    def _run(self) -> None:
        next_beat = 0.0
        while True:
            time.sleep(min(settings.CANCEL_POLL_SECONDS, settings.HEARTBEAT_SECONDS))
            is_beat = time.monotonic() >= next_beat
            if is_beat:
                next_beat = time.monotonic() + settings.HEARTBEAT_SECONDS
            if not survive("leases", self.extend if is_beat else self.watch):
                time.sleep(settings.HEARTBEAT_SECONDS)

    def extend(self) -> None:
        """Extend what is held, but for the steps that have run too long."""
        held, now = self._kept(), time.monotonic()
        overdue = {claim for claim, row in held.items() if row.limit < now}
        self._lose(dict.fromkeys(overdue, StaleAttempt()))
        if missing := leases_extend(held.keys() - overdue):
            self._lose(claims_lost(missing))

    def watch(self) -> None:
        """See what was lost since the last look."""
        if held := self._kept():
            self._lose(claims_lost(held.keys()))

    def _kept(self) -> dict[Claim, _Held]:
        with self._lock:
            return {claim: row for claim, row in self._held.items() if row.lost is None}

    def _lose(self, lost: Mapping[Claim, TurnpikeError]) -> None:
        with self._lock:
            for claim, error in lost.items():
                held = self._held.get(claim)
                if held is not None and held.lost is None:
                    held.lost = error
                    _call(held, error)


def _call(held: _Held, error: TurnpikeError) -> None:
    """Call back from another thread: whoever is called may have to wait for the network."""
    callback, held.on_lost = held.on_lost, None
    if callback is not None:
        threading.Thread(target=callback, args=(error,), name="on-lost", daemon=True).start()


keeper = PerProcess(LeaseKeeper)
