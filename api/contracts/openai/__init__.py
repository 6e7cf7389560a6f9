"""OpenAI's protocol, under /v1: what its own package speaks, with every turn as durable as ours."""
