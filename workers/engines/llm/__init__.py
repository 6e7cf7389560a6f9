"""The language model engine: any provider as one stream of events, behind a Protocol."""

from workers.engines.llm.cutting import Cutter
from workers.engines.llm.registry import language_model
from workers.engines.llm.types import (
    Delta,
    Event,
    Finished,
    FinishReason,
    LanguageModel,
    Passage,
    Prompt,
    Provider,
    Started,
    Turn,
    Usage,
)
from workers.engines.llm.usage import estimated, tokens_in

__all__ = [
    "Cutter",
    "Delta",
    "Event",
    "FinishReason",
    "Finished",
    "LanguageModel",
    "Passage",
    "Prompt",
    "Provider",
    "Started",
    "Turn",
    "Usage",
    "estimated",
    "language_model",
    "tokens_in",
]
