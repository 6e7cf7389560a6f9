"""A sandbox language model: a small deterministic server that speaks the OpenAI wire protocol."""
