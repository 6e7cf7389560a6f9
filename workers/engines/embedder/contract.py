"""What an embedder is asked, and what it is told at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

PACKAGED: Final = "packaged"


@dataclass(frozen=True)
class EmbedderConfig:
    """Which model, and how its work is batched.

    Attributes:
        model: `packaged` (all-MiniLM-L6-v2 as installed with its Python package), a hub name, or a
            local folder.
        batch_size: Texts that the model is given at once, at most.
        batch_characters: Characters of one piece of bulk work, padding counted: a query waits for
            one piece at most, and on a CPU larger ones are no faster. Raise it on a GPU.
        max_wait: Seconds for which a lone request waits for company.
        threads: CPU threads of the model; 0 leaves the default.
    """

    model: str = PACKAGED
    batch_size: int = 64
    batch_characters: int = 4_000
    max_wait: float = 0.004
    threads: int = 0


class Embedder(Protocol):
    """Texts in, unit vectors out; safe to call from any thread."""

    @property
    def dimensions(self) -> int:
        """The length of every vector; asking for it loads the model."""

    @property
    def model_name(self) -> str:
        """What to record beside the vectors, since those of two models cannot be compared."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one L2-normalised row a text, shape (n, dimensions), C-contiguous.

        Raises:
            Unavailable: The model cannot be loaded (`model_unavailable`), failed on this batch
                (`embedding_failed`), or the process is stopping (`embedder_closed`).
        """
