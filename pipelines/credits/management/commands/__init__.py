"""Commands of `manage.py` about credits, one a file."""
