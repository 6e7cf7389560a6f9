"""The domain: one Django app a noun, without HTTP, machine learning or workers."""
