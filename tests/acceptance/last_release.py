"""The release before `chat.finish`, whose turns ended with their reply: its workers and its relay.

`celery -A tests.acceptance.last_release worker …`, `python -m tests.acceptance.last_release relay`.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from django.core.management import execute_from_command_line

from workers.app import app

# The app sets Django up, and what follows needs that.
# isort: split
from pipelines.chat.pipeline import FINISH, TURN
from pipelines.core import steps

__all__ = ["app"]

app.loader.import_default_modules()
app.tasks.unregister(FINISH.name)
steps._steps.pop(FINISH.name)
steps._pipelines[TURN.kind] = replace(
    TURN, steps=tuple(step for step in TURN.steps if step is not FINISH)
)

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
