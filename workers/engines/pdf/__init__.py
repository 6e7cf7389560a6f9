"""Markdown to PDF behind one Protocol."""

from __future__ import annotations

from workers.engines.pdf.document import ReportLabRenderer
from workers.engines.pdf.types import PageSize, PdfOptions, PdfRenderer

__all__ = ["PageSize", "PdfOptions", "PdfRenderer", "pdf_renderer"]


def pdf_renderer() -> PdfRenderer:
    """Make the renderer; it keeps no state between documents."""
    return ReportLabRenderer()
