"""Tables: reports."""

from __future__ import annotations

from django.db import models

from pipelines.core.models import Owned
from pipelines.jobs.models import Job


class Report(Owned):
    """Markdown that a job renders; the text and the PDF are the job's artifacts."""

    job = models.OneToOneField(Job, null=True, on_delete=models.SET_NULL, related_name="report")
    title = models.CharField(max_length=200)
    # The stem of the files' names: `roadmap` gives roadmap.txt and roadmap.pdf.
    stem = models.SlugField(max_length=64, default="report")
    content = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["owner", "-id"], name="report_by_owner")]

    def __str__(self) -> str:
        return self.title
