"""Named points of the product's code at which a process may be told to end or to fall asleep.

A file of the point's name in the folder CHAOS_CONTROL asks for it once; the process that takes it
renames the file, adding its own id, and does to its whole process group what the file says: KILL,
STOP (until it is woken by SIGCONT), or CHILD, which kills this one process alone.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

FOLDER = Path(os.environ["CHAOS_CONTROL"])
TAKEN = "taken"


def reach(point: str) -> None:
    """Die or stop here, if asked to."""
    asked = FOLDER / point
    try:
        # Read first: whoever asked clears the file away once it is taken.
        order = asked.read_text()
        asked.rename(FOLDER / f"{point}.{os.getpid()}.{TAKEN}")
    except FileNotFoundError:
        return
    if order == "CHILD":
        os.kill(os.getpid(), signal.SIGKILL)
    os.killpg(os.getpgrp(), signal.SIGSTOP if order == "STOP" else signal.SIGKILL)
