"""The steps of housekeeping; each run is a job, whose steps record what they counted."""

from __future__ import annotations

from pipelines.core.steps import Pipeline, Step, register

DELETE_CONVERSATIONS = Step("scheduler.delete_conversations", queue="default")
DELETE_MESSAGES = Step("scheduler.delete_messages", queue="default")
DELETE_USERS = Step("scheduler.delete_users", queue="default")
DELETE_JOBS = Step("scheduler.delete_jobs", queue="default")
COUNT = Step("scheduler.count", queue="default")

HOUSEKEEPING = register(
    Pipeline(
        "scheduler.housekeeping",
        steps=(DELETE_CONVERSATIONS, DELETE_MESSAGES, DELETE_USERS, DELETE_JOBS, COUNT),
    )
)
CLEANUP = register(Pipeline("scheduler.cleanup", steps=(DELETE_CONVERSATIONS,)))
ORPHANS = register(Pipeline("scheduler.orphans", steps=(DELETE_MESSAGES,)))
UNVERIFIED = register(Pipeline("scheduler.unverified", steps=(DELETE_USERS,)))
EXPIRED = register(Pipeline("scheduler.expired", steps=(DELETE_JOBS,)))
STATISTICS = register(Pipeline("scheduler.statistics", steps=(COUNT,)))

# What staff call the runs that they start by hand.
TASKS = {
    "all": HOUSEKEEPING,
    "conversations": CLEANUP,
    "messages": ORPHANS,
    "users": UNVERIFIED,
    "jobs": EXPIRED,
    "stats": STATISTICS,
}

# The message that beat sends: `scheduler.start(kind, slot)`.
START = Step("scheduler.start", queue="default")
