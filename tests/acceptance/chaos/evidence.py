"""What is kept of a run that broke an invariant: logs, and the stacks of the workers' threads."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

from tests.acceptance.chaos.world import WORKERS, World

# Seconds in which a worker writes its threads' stacks into its log.
WRITING = 2.0


def keep_evidence(world: World, folder: Path) -> None:
    """Copy the logs, after each worker has written down where its threads stand."""
    for name in set(WORKERS) & world.stack.running.keys():
        world.supervisor.send_to_leader(name, signal.SIGUSR1)
    time.sleep(WRITING)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for log in world.stack.home.glob("*.log"):
        shutil.copy(log, folder)
