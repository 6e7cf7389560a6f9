"""The steps of a response: those of a turn, but for the last."""

from __future__ import annotations

from functools import partial

from pipelines.chat import charging
from pipelines.chat.pipeline import GENERATE, RETRIEVE
from pipelines.core.steps import Pipeline, Step, register

FINISH = Step("responses.finish", queue="default")

_settle = partial(charging.turn_settle, generate=GENERATE.name)
RESPONSE = register(
    Pipeline(
        "responses.response",
        steps=(RETRIEVE, GENERATE, FINISH),
        on_end=_settle,
        on_complete=_settle,
        on_replay=charging.turn_replay,
    )
)
