"""The step of a letter that somebody asked for without being signed in."""

from __future__ import annotations

from pipelines.core.steps import Pipeline, Retry, Step, register

WRITE = Step("letters.write", queue="default", retry=Retry(attempts=8, base=2.0, ceiling=300.0))
LETTER = register(Pipeline("letters.letter", steps=(WRITE,)))
