"""Settings, the URL root, the ASGI entry point and the Celery app."""
