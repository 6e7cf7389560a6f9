"""Vectors as the database stores them: little-endian float32, one value after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import PermanentError

_STORED: Final = np.dtype("<f4")


def pack(vectors: NDArray[np.float32]) -> list[bytes]:
    """Return the stored form of each row of an array of shape (n, dimensions)."""
    return [row.tobytes() for row in vectors.astype(_STORED, copy=False)]


def unpack(rows: Sequence[bytes], dimensions: int) -> NDArray[np.float32]:
    """Return an array of shape (n, dimensions) from its stored rows.

    Raises:
        PermanentError: A row has another length (`corrupt_vector`).
    """
    expected = dimensions * _STORED.itemsize
    for at, row in enumerate(rows):
        if len(row) != expected:
            detail = f"Vector {at} has {len(row)} bytes, not {expected}."
            raise PermanentError(detail, code="corrupt_vector")
    # A bytearray, so that the array over it can be written to.
    flat = np.frombuffer(bytearray().join(rows), dtype=_STORED)
    return flat.reshape(len(rows), dimensions).astype(np.float32, copy=False)
