"""Batches: thousands of turns that nobody waits for, sent as one."""
