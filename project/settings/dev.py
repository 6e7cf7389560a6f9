"""A developer's machine and the embedded default: helpful, and bound to this machine only."""

import os

os.environ.setdefault("DEBUG", "true")
os.environ.setdefault("LOG_JSON", "false")

from project.settings.base import *  # noqa: F403 - the defaults above must come first
