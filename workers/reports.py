"""The task of a report."""

from __future__ import annotations

from pipelines.jobs.artifacts import artifact_record, file_store
from pipelines.reports.pipeline import RENDER
from pipelines.reports.selectors import report_of_job
from workers import configured
from workers.base import Run, step_task


@step_task(RENDER)
def render(run: Run) -> None:
    """Make the PDF, and keep it beside the text that it was made of."""
    from workers.engines.pdf import PdfOptions

    report = report_of_job(run.job_id)
    pdf = configured.pdf_renderer().render(report.content, PdfOptions(title=report.title))
    files = [
        file_store(job_id=run.job_id, name=name, content_type=content_type, content=content)
        for name, content_type, content in (
            (f"{report.stem}.txt", "text/plain; charset=utf-8", report.content.encode()),
            (f"{report.stem}.pdf", "application/pdf", pdf),
        )
    ]
    with run.recording() as outcome:
        for file in files:
            artifact_record(job_id=run.job_id, file=file)
        outcome.output = {"report_id": str(report.pk), "artifacts": [file.name for file in files]}
