"""The steps of an e-mail."""

from __future__ import annotations

from pipelines.core.steps import Pipeline, Retry, Step, register
from pipelines.mail import sending

SEND = Step("mail.send", queue="mail", retry=Retry(attempts=8, base=2.0, ceiling=300.0))


MESSAGE = register(Pipeline("mail.message", steps=(SEND,), on_end=sending.email_close))
