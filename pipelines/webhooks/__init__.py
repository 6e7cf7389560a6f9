"""Webhooks: what happens here is told to where its owner wants to hear of it."""
