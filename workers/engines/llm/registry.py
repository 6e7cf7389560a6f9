"""The language models of this process, one for each provider row."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from workers.engines.llm.chat_completions import ChatCompletionsModel
from workers.engines.llm.responses import ResponsesModel
from workers.engines.llm.types import LanguageModel, Provider

_PROTOCOLS: dict[str, Callable[[Provider], LanguageModel]] = {
    "responses": ResponsesModel,
    "chat_completions": ChatCompletionsModel,
}
_models: dict[tuple[Provider, int], LanguageModel] = {}
_lock = threading.Lock()


def language_model(provider: Provider) -> LanguageModel:
    """Give the model of a provider; all threads of a process share one and its connections.

    The process id is part of the key, because a forked child must not write to the connections
    of its parent.
    """
    key = (provider, os.getpid())
    with _lock:
        if key not in _models:
            _models[key] = _PROTOCOLS[provider.protocol](provider)
        return _models[key]
