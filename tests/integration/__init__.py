"""Parts of the product against a real database, cache or broker."""
