"""The one long document that the sandbox can write, for whoever asks for a roadmap."""

from __future__ import annotations

from collections.abc import Sequence

_TEMPLATE = """\
# Roadmap: {topic}

{introduction} Here is the finalized AI roadmap for your request, with every kind of block that a \
report has to be able to show.

## Where you stand

{sources}

## Phases

| Phase | Weeks | Result |
|---|---|---|
| 1. Discover | 1\u20132 | The goals and the data are written down |
| 2. Pilot | 3\u20136 | One use case runs for a small group |
| 3. Measure | 7\u20138 | Numbers decide what goes on |
| 4. Roll out | 9\u201312 | The whole team works with it |

## First steps

1. Name one person who **owns** the outcome.
2. Pick the use case with the *clearest* measure of success.
3. Collect the documents that the assistant may quote.

### A measure to begin with

```python
def share_resolved(resolved: int, asked: int) -> float:
    return resolved / asked if asked else 0.0
```

## Risks

- **Data**: what is out of date is answered out of date.
- **Trust**: people stop asking after a few wrong answers, so show the sources.
- **Cost**: set a budget before the pilot and look at it every week.

> Review this roadmap after each phase, and change it when the numbers say so.
"""


def roadmap(introduction: str, topic: str, sources: Sequence[str]) -> str:
    """Write the document.

    Args:
        introduction: The sentence that says who is speaking.
        topic: One line; what the roadmap is for.
        sources: Quoted sentences with their citations; may be empty.
    """
    listed = "\n".join(f"- {source}" for source in sources)
    return _TEMPLATE.format(
        introduction=introduction,
        topic=topic,
        sources=listed or "The knowledge base holds nothing about this yet.",
    )
