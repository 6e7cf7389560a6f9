"""Idempotency: the answers to creating requests, kept for whoever sends one again."""
