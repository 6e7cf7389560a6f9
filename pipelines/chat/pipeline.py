"""The steps of a turn."""

from __future__ import annotations

from functools import partial

from pipelines.chat import charging
from pipelines.core.steps import Pipeline, Retry, Step, register

RETRIEVE = Step("chat.retrieve", queue="embed", retry=Retry(attempts=4))
GENERATE = Step(
    "chat.generate",
    queue="llm",
    retry=Retry(attempts=6, base=1.0, ceiling=60.0),
    soft_time_limit=840,
    time_limit=870,
    streams=True,
)
FINISH = Step("chat.finish", queue="default")

_settle = partial(charging.turn_settle, generate=GENERATE.name)
TURN = register(
    Pipeline(
        "chat.turn",
        steps=(RETRIEVE, GENERATE, FINISH),
        on_end=_settle,
        on_complete=_settle,
        on_replay=charging.turn_replay,
    )
)
