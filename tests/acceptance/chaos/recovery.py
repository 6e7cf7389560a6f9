"""How long a step stood still after its worker had died."""

from __future__ import annotations

from dataclasses import dataclass

from tests.acceptance.chaos.facts import Facts

# Only of the latest attempt is it known when it began; so steps that were lost twice are left out.
# A lease is also lost by a living worker, as while the database is away: `begun`, the earliest
# moment at which the lost attempt can have begun, keeps such a loss from an older death.
_LOST = """
SELECT m.id AS job, s.name AS step, s.attempt, s.started_at, e.created_at AS noticed,
    split_part(split_part(e.detail, ' ', 2), '@', 1) AS worker,
    greatest(m.started_at, (SELECT max(p.finished_at) FROM jobs_jobstep p
        WHERE p.job_id = m.id AND p.position < s.position)) AS begun
FROM mine m JOIN jobs_jobstep s ON s.job_id = m.id
JOIN jobs_jobevent e ON e.job_id = m.id AND e.step = s.name AND e.type = 'step.retrying'
WHERE e.detail LIKE 'worker_lost:%%' AND s.attempt = e.attempt + 1 AND s.started_at > e.created_at
"""


@dataclass(frozen=True)
class Recovery:
    """From a worker's death, or its falling asleep, to the next attempt at its step, in seconds."""

    job: str
    step: str
    worker: str
    seconds: float


def recoveries(facts: Facts) -> list[Recovery]:
    """Match the steps that were taken back with the deaths, the longest first."""
    deaths = facts.world.supervisor.deaths
    found = []
    for row in facts.rows(_LOST):
        noticed = row["noticed"].timestamp()
        before = [
            death.at
            for death in deaths
            if death.name == row["worker"] and row["begun"].timestamp() < death.at < noticed
        ]
        if before:
            seconds = row["started_at"].timestamp() - before[-1]
            found.append(Recovery(str(row["job"]), row["step"], row["worker"], round(seconds, 2)))
    return sorted(found, key=lambda one: -one.seconds)
