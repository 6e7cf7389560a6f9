"""The settings of `migrate` in the next release."""

from project.settings.dev import *  # noqa: F403 - they differ in one line

MIGRATION_MODULES = {"jobs": "tests.acceptance.next_release.migrations"}
