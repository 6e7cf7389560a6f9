"""E-mails through MailerSend's API.

The API has no idempotency key and sets the Message-ID itself, so each mail carries a tag made of
ours: by it `find` and the webhooks know the mail again, on every plan.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar

import requests
from mailersend import EmailBuilder, EmailsBuilder, MailerSendClient
from mailersend.constants import DEFAULT_BASE_URL
from mailersend.exceptions import MailerSendError, ValidationError
from pydantic import ValidationError as FieldError
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from pipelines.core.errors import (
    InvalidInput,
    PermanentError,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    TurnpikeError,
)
from workers.engines.mailer.message import ascii_address, check, key
from workers.engines.mailer.types import MailerSendConfig, Outgoing, Receipt, SendUncertain

MESSAGE_ID_HEADER = "X-Turnpike-Message-ID"

_DETAIL_CHARACTERS = 300
_CLOCK_SKEW = timedelta(minutes=5)

# The package logs addresses and whole bodies; the task that sends logs what matters.
_SILENT = logging.getLogger("turnpike.mailersend")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class MailerSendMailer:
    """Sends each mail with one POST, never repeated here: the step decides what a failure means."""

    name: ClassVar[str] = "mailersend"
    idempotent: ClassVar[bool] = False

    def __init__(self, config: MailerSendConfig) -> None:
        """Keep the settings; nothing connects yet."""
        self._config = config

    def send(self, mail: Outgoing, *, transmitting: Callable[[], None]) -> Receipt:
        """Send; an answer that neither accepts nor refuses leaves the mail uncertain."""
        check(mail, attachment_limit=self._config.attachment_limit)
        body = self._body(mail)
        with self._client() as client:
            transmitting()
            try:
                # Not `emails.send`: it throws away the warnings that come with an acceptance.
                response = client.request("POST", "email", body=body)
            except MailerSendError as error:
                raise _sending_error(error) from error
        return self._accepted(response)

    def find(self, message_id: str, *, to: str, since: datetime) -> Receipt | None:
        """Look for the mail's tag in the domain's list of e-mails."""
        if not self._config.domain_id:
            return None
        tag = key(message_id)
        query = (
            EmailsBuilder()
            .domain_id(self._config.domain_id)
            .date_from(since - _CLOCK_SKEW)
            .date_to(datetime.now(UTC) + _CLOCK_SKEW)
            .recipient_email(ascii_address(to, field="to"))
            .tag(tag)
            .build_list_request()
        )
        with self._client() as client:
            try:
                response = client.request("GET", "emails", params=query.to_query_params())
            except MailerSendError as error:
                _raise_if_it_may_answer_later(error)
                return None
        # Filtered again: a filter that the API does not know would otherwise find any mail.
        rows = [row for row in _rows(response) if tag in (row.get("tags") or [])]
        return Receipt(self.name, str(rows[0].get("message_id", ""))) if rows else None

    def _body(self, mail: Outgoing) -> dict[str, Any]:
        """The request's JSON, as the package's own models check it."""
        try:
            builder = (
                EmailBuilder()
                .from_email(ascii_address(mail.sender, field="sender"), mail.sender_name or None)
                .to(ascii_address(mail.to, field="to"))
                .subject(mail.subject)
                .text(mail.text)
                .html(mail.html)
                .tag(key(mail.message_id))
            )
            if self._config.custom_headers:
                builder.headers({MESSAGE_ID_HEADER: mail.message_id, **mail.headers})
            for attachment in mail.attachments:
                builder.attach_content(attachment.content, attachment.name)
            payload: dict[str, Any] = builder.build().model_dump(by_alias=True, exclude_none=True)
        except (ValidationError, FieldError) as error:
            raise InvalidInput("MailerSend cannot send an e-mail like this one.") from error
        return payload

    @contextmanager
    def _client(self) -> Iterator[MailerSendClient]:
        """A client for one request: an idle connection that was cut would leave mail uncertain."""
        if not self._config.api_key.isascii():  # the HTTP library would fail on it in mid-request
            raise ProviderRefused("MailerSend's key is not valid.")
        client = MailerSendClient(
            api_key=self._config.api_key,
            base_url=self._config.base_url or DEFAULT_BASE_URL,
            timeout=self._config.timeout,
            max_retries=0,
            logger=_SILENT,
        )
        session = client.session
        # With `max_retries=0` the package still turns 429 and 5xx into errors without the answer.
        session.mount("https://", HTTPAdapter(max_retries=0))
        session.mount("http://", HTTPAdapter(max_retries=0))
        session.trust_env = False  # a .netrc would replace the token
        session.max_redirects = 0
        with client:
            yield client

    def _accepted(self, response: requests.Response) -> Receipt:
        if response.status_code != 202:
            raise SendUncertain(f"MailerSend answered {response.status_code} instead of 202.")
        warnings = _json(response).get("warnings")
        kinds = [str(w.get("type")) for w in warnings or [] if isinstance(w, dict)]
        if any(kind.replace("_", "") == "ALLSUPPRESSED" for kind in kinds):
            raise PermanentError(
                "MailerSend does not send to this recipient: it is on a suppression list.",
                code="recipient_suppressed",
            )
        return Receipt(self.name, response.headers.get("x-message-id", ""))


def _sending_error(error: MailerSendError) -> TurnpikeError:
    response = error.response
    if response is not None:  # a refusal is falsy in `requests`, hence the comparison
        return _refusal(response, error.message)
    if _never_connected(error.__cause__):
        return ProviderUnavailable("MailerSend cannot be reached.")
    if isinstance(error.__cause__, requests.TooManyRedirects):
        return ProviderRefused("MailerSend's address answers with a redirect: check the base URL.")
    if isinstance(error.__cause__, ValueError):  # a URL or header that `requests` will not use
        return ProviderRefused("MailerSend's address or key is not valid.")
    return SendUncertain("MailerSend's answer was lost.")


def _raise_if_it_may_answer_later(error: MailerSendError) -> None:
    """A refusal to look means that MailerSend cannot tell; anything else may be asked again."""
    response = error.response
    if response is not None and response.status_code not in {408, 421, 429} | set(range(500, 600)):
        return
    if response is not None and response.status_code == 429:
        raise RateLimited("MailerSend asks for a pause.", retry_after=_retry_after(response))
    raise ProviderUnavailable("MailerSend did not answer.") from error


def _refusal(response: requests.Response, message: str) -> TurnpikeError:
    status = response.status_code
    detail = f"MailerSend answered {status}: {message}"[:_DETAIL_CHARACTERS]
    wait = _retry_after(response)
    if status == 429:
        return RateLimited(detail, retry_after=wait)
    if status == 421 or (status == 503 and wait is not None):  # 421 is their word for maintenance
        return ProviderUnavailable(detail, retry_after=wait)
    if status == 408 or status >= 500:
        return SendUncertain(detail)
    return ProviderRefused(detail)


def _never_connected(cause: BaseException | None) -> bool:
    """Whether no connection came about, so that no byte can have arrived."""
    inner = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else None
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _retry_after(response: requests.Response) -> float | None:
    """Seconds to wait, from either form of the header; the package loses it."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        content = json.loads(response.content or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _rows(response: requests.Response) -> list[dict[str, Any]]:
    rows = _json(response).get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
