"""What ends a start early: a cause that a person can mend, or the person's own wish."""

from __future__ import annotations


class RunnerError(Exception):
    """The product cannot be started or went wrong; the message says why and what to do."""


class StopRequested(Exception):
    """A signal asked for the end while something was being waited for."""
