"""Knowledge: collections of documents, cut into passages that can be searched."""
