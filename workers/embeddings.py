"""The task of an embedding."""

from __future__ import annotations

from uuid import UUID

import numpy as np

from pipelines.embeddings.pipeline import EMBED
from pipelines.embeddings.selectors import embedding_of_job
from pipelines.embeddings.services import vectors_record
from workers import configured
from workers.base import Run, step_task


@step_task(EMBED)
def embed(run: Run) -> None:
    """Make texts vectors, together with whatever else is to be embedded at the moment."""
    embedding = embedding_of_job(UUID(run.input["embedding_id"]))
    vectors = np.asarray(configured.embedder().embed(embedding.texts), dtype="<f4")
    with run.recording() as outcome:
        vectors_record(
            embedding=embedding, vectors=vectors.tobytes(), dimensions=int(vectors.shape[1])
        )
        outcome.output = {"embedding_id": run.input["embedding_id"], "count": len(vectors)}
