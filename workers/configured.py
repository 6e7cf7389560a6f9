"""The engines, each made once a process, on first use, from the settings.

Nothing heavy is imported before the first call, so that a worker loads only what its queue needs.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from workers.engines.courier import Courier
    from workers.engines.embedder import Embedder
    from workers.engines.governor import Account, Governor
    from workers.engines.index import SnapshotCache
    from workers.engines.llm import LanguageModel
    from workers.engines.mailer import Mailer
    from workers.engines.pdf import PdfRenderer


@cache
def language_model(name: str) -> LanguageModel:
    """Return the model of a provider of the table; KeyError when it is not configured."""
    from dataclasses import fields

    from workers.engines import llm

    row = settings.PROVIDERS[name]
    columns = {field.name: getattr(row, field.name) for field in fields(llm.Provider)}
    return llm.language_model(llm.Provider(**columns))


@cache
def account(name: str) -> Account:
    """Return what the governor knows of a provider of the table; KeyError when there is none."""
    from workers.engines import governor as engine

    row = settings.PROVIDERS[name]
    return engine.Account(
        name=name,
        base_url=row.base_url,
        api_key=row.api_key,
        limits=engine.Limits(row.rpm, row.tpm, row.concurrency),
        # A stream that says nothing for longer is given up by the model's own time limit.
        silence=row.connect_timeout + row.read_timeout + 5.0,
    )


@cache
def governor() -> Governor:
    """Return the governor of what is asked of the providers."""
    from workers.engines import governor as engine

    return engine.governor(
        engine.GovernorConfig(
            url=settings.REDIS_URL,
            prefix=settings.GOVERNOR_KEY_PREFIX,
            timeout=settings.GOVERNOR_TIMEOUT,
            burst_seconds=settings.GOVERNOR_BURST_SECONDS,
            slack_seconds=settings.GOVERNOR_SLACK_SECONDS,
            horizon_seconds=settings.GOVERNOR_HORIZON_SECONDS,
            breaker_failures=settings.BREAKER_FAILURES,
            breaker_seconds=settings.BREAKER_SECONDS,
        )
    )


@cache
def embedder() -> Embedder:
    """Return the embedding model."""
    from workers.engines import embedder as engine

    return engine.embedder(
        engine.EmbedderConfig(
            model=settings.EMBEDDING_MODEL,
            batch_size=settings.EMBEDDING_BATCH,
            threads=settings.EMBEDDING_THREADS,
        )
    )


@cache
def snapshots() -> SnapshotCache:
    """Return the open index snapshots."""
    from workers.engines import index

    return index.SnapshotCache()


@cache
def pdf_renderer() -> PdfRenderer:
    """Return the renderer of reports."""
    from workers.engines import pdf

    return pdf.pdf_renderer()


@cache
def mailer() -> Mailer:
    """Return the transport of e-mails."""
    from workers.engines import mailer as engine

    if settings.MAIL_TRANSPORT == "mailersend":
        return engine.mailer(
            engine.MailerSendConfig(
                api_key=settings.MAILERSEND_API_KEY,
                base_url=settings.MAILERSEND_URL,
                domain_id=settings.MAILERSEND_DOMAIN_ID,
                timeout=settings.MAIL_TIMEOUT,
            )
        )
    if settings.MAIL_TRANSPORT == "smtp":
        return engine.mailer(
            engine.SmtpConfig(
                host=settings.SMTP_HOST,
                port=settings.SMTP_PORT,
                user=settings.SMTP_USER,
                password=settings.SMTP_PASSWORD,
                security=settings.SMTP_SECURITY,  # type: ignore[arg-type]  # checked at boot
                timeout=settings.MAIL_TIMEOUT,
            )
        )
    return engine.mailer(engine.FilesConfig(directory=settings.OUTBOX_ROOT))


@cache
def courier() -> Courier:
    """Return what delivers webhooks."""
    from workers.engines import courier as engine

    return engine.courier(
        engine.CourierConfig(
            connect_timeout=settings.WEBHOOK_CONNECT_TIMEOUT,
            read_timeout=settings.WEBHOOK_READ_TIMEOUT,
            total_timeout=settings.WEBHOOK_TOTAL_TIMEOUT,
            allow_http=settings.WEBHOOK_ALLOW_HTTP,
            allow_private=settings.WEBHOOK_ALLOW_PRIVATE,
            user_agent="Turnpike-Webhooks/1",
        )
    )


def warm(queues: Collection[str]) -> None:
    """Load what the first step of these queues would otherwise wait for."""
    if {"embed", "ingest"} & set(queues):
        _ = embedder().dimensions
    if "llm" in queues:
        for name in settings.PROVIDERS:
            language_model(name)
