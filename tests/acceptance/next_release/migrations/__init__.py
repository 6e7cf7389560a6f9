"""The migrations of jobs, and two more."""

from pipelines.jobs import migrations

__path__ = [*migrations.__path__, *__path__]
