"""What the Celery workers run: the only importer of models, indexes, providers and renderers."""
