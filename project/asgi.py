"""The ASGI entry point of the front door."""

from __future__ import annotations

import os

import django
from django.utils.module_loading import import_string

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.dev")
django.setup(set_prefix=False)
# By its name: `project` imports neither of the rooms above it.
application = import_string("api.handler.FrontDoor")()
