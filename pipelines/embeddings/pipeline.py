"""The step of an embedding."""

from __future__ import annotations

from pipelines.core.steps import Pipeline, Retry, Step, register

EMBED = Step("embeddings.embed", queue="embed", retry=Retry(attempts=4))
EMBEDDING = register(Pipeline("embeddings.embedding", steps=(EMBED,)))
