"""API keys: what a program signs in with in its owner's place."""
