"""Responses: turns as OpenAI's protocol has them, with a context that each one names itself."""
