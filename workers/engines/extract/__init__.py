"""From an upload's bytes to titled text, and from the text to pieces that fit the embedder."""

from pipelines.knowledge.formats import decode, sniff
from workers.engines.extract.chunk import Piece, chunk
from workers.engines.extract.text import Extracted, extract

__all__ = ["Extracted", "Piece", "chunk", "decode", "extract", "sniff"]
