"""Commands of `manage.py` about knowledge, one a file."""
