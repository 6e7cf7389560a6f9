"""Answers that have one form, whatever the client would like."""

from __future__ import annotations

from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request


class AsItIs(BaseContentNegotiation):
    """A file or a stream comes as it is; errors are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Take the first parser."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """Take the first renderer."""
        return renderers[0], renderers[0].media_type
