"""The embedders of this process: one a configuration, with a model of its own after a fork."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workers.engines.embedder.batcher import Batcher
from workers.engines.embedder.contract import PACKAGED, Embedder, EmbedderConfig

if TYPE_CHECKING:
    from workers.engines.embedder.model import Model

PACKAGED_NAME: Final = "sentence-transformers/all-MiniLM-L6-v2"

_embedders: Final[dict[tuple[object, ...], SharedEmbedder]] = {}


def embedder(config: EmbedderConfig) -> Embedder:
    """Return the process's embedder of this configuration; its first use loads the model."""
    return _embedders.setdefault(astuple(config), SharedEmbedder(config))


class SharedEmbedder:
    """An embedder for all threads of a process.

    It holds no lock, which a fork could copy in its locked state: `dict.setdefault` with plain keys
    is atomic, and a batcher is made for each process id, since threads do not survive a fork.
    """

    def __init__(self, config: EmbedderConfig) -> None:
        """Remember the configuration and do nothing else."""
        self._config = config
        self._batchers: dict[int, Batcher] = {}
        self._dimensions = 0

    @property
    def dimensions(self) -> int:
        """The length of every vector; asking for it loads the model."""
        if not self._dimensions:
            self._dimensions = self._batcher().encode(()).shape[1]
        return self._dimensions

    @property
    def model_name(self) -> str:
        """The hub's name of the model, or the local folder."""
        return PACKAGED_NAME if self._config.model == PACKAGED else self._config.model

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed the texts, sorted by length since a batch costs what its longest text costs."""
        if isinstance(texts, str):
            raise TypeError("texts is one string, not a sequence of them")
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        rows = self._batcher().encode([texts[at] for at in order])
        vectors = np.empty_like(rows)
        vectors[order] = rows
        return vectors

    def _batcher(self) -> Batcher:
        pid = os.getpid()
        return self._batchers.get(pid) or self._batchers.setdefault(pid, self._new_batcher())

    def _new_batcher(self) -> Batcher:
        return Batcher(
            self._load,
            batch_size=self._config.batch_size,
            batch_characters=self._config.batch_characters,
            max_wait=self._config.max_wait,
        )

    def _load(self) -> Model:
        from workers.engines.embedder.model import Model  # it takes seconds

        return Model(self._config)
