"""Commands of `manage.py` about knowledge."""
