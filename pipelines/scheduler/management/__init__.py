"""Commands of `manage.py` about the schedule."""
