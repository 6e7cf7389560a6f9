"""E-mail transports behind one Protocol."""

from __future__ import annotations

from workers.engines.mailer.types import (
    ATTACHMENT_LIMIT,
    Attachment,
    FilesConfig,
    Mailer,
    MailerConfig,
    MailerSendConfig,
    Outgoing,
    Receipt,
    SendUncertain,
    SmtpConfig,
)

__all__ = [
    "ATTACHMENT_LIMIT",
    "Attachment",
    "FilesConfig",
    "Mailer",
    "MailerConfig",
    "MailerSendConfig",
    "Outgoing",
    "Receipt",
    "SendUncertain",
    "SmtpConfig",
    "mailer",
]


def mailer(config: MailerConfig) -> Mailer:
    """Make the transport that the settings are for; only its own library is imported."""
    if isinstance(config, MailerSendConfig):
        from workers.engines.mailer.mailersend import MailerSendMailer

        return MailerSendMailer(config)
    if isinstance(config, SmtpConfig):
        from workers.engines.mailer.smtp import SmtpMailer

        return SmtpMailer(config)
    from workers.engines.mailer.files import FilesMailer

    return FilesMailer(config)
