"""Embeddings: texts that somebody wants as vectors."""
