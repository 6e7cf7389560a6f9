"""Token counts: what the provider says, or an estimate that says that it is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.engines.llm.prompts import compose
from workers.engines.llm.types import Prompt, Usage

# Providers give about four bytes of English a token; other scripts have more bytes a character
# and fewer characters a token, so that bytes are the better measure of the two.
_BYTES_PER_TOKEN = 4


def counted(reported: object, keys: tuple[str, str]) -> Usage | None:
    """Read a provider's usage object; None when it lacks either count.

    Args:
        reported: The `usage` field as it came.
        keys: The names of the input count and the output count in this protocol.
    """
    if not isinstance(reported, Mapping):
        return None
    counts: list[Any] = [reported.get(key) for key in keys]
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        return None
    return Usage(input_tokens=counts[0], output_tokens=counts[1])


def estimated(prompt: Prompt, output_bytes: int) -> Usage:
    """Estimate the tokens of a prompt and of an answer of `output_bytes` UTF-8 bytes."""
    instructions, turns = compose(prompt)
    texts = (instructions, *(turn.content for turn in turns))
    size = sum(len(text.encode(errors="surrogatepass")) for text in texts)
    return Usage(tokens_in(size), tokens_in(output_bytes), estimated=True)


def tokens_in(size: int) -> int:
    """Estimate the tokens of so many UTF-8 bytes of text."""
    return -(-size // _BYTES_PER_TOKEN)
