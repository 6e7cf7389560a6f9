"""Which of the passages that a model was given its answer names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.chat.models import CITATION
from pipelines.knowledge.selectors import passages_get

if TYPE_CHECKING:
    from workers.base import Run


def citations_of(run: Run, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the passages whose number an answer names, as [1]."""
    named = {int(number) for number in CITATION.findall(answer["text"])}
    passages = passages_get(run.claim.owner_id, answer["passages"])
    return [
        {
            "number": number,
            "document_id": str(passage.document_id),
            "name": passage.name,
            "title": passage.title,
            "position": passage.position,
        }
        for number, pk in enumerate(answer["passages"], start=1)
        if number in named and (passage := passages.get(pk))
    ]
