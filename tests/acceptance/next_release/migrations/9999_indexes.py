"""Indexes on busy tables; by themselves, since nothing holds them together with anything else."""

from django.db import migrations, models

from pipelines.core.operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "9998_cost")]
    operations = [
        AddIndexOnline("jobstep", models.Index(fields=["worker", "state"], name="step_by_worker")),
        AddIndexOnline("job", models.Index(fields=["region", "-id"], name="job_by_region")),
    ]
