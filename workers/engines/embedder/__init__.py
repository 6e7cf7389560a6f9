"""Sentence vectors: one model a process, its batches shared by all callers."""

from workers.engines.embedder.contract import Embedder, EmbedderConfig
from workers.engines.embedder.registry import embedder

__all__ = ["Embedder", "EmbedderConfig", "embedder"]
