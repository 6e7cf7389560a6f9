"""Reports: Markdown that becomes a PDF, kept for its owner."""
