"""Commands of `manage.py` about credits."""
