"""What may be the address of an endpoint, as far as its text tells.

What its host's name stands for is asked when a connection is made, each time: see the courier.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from pipelines.core.errors import InvalidInput

URL_MAX_CHARACTERS = 2048
_PORTS = {80, 443}
_UNPRIVILEGED = 1024


def check_url(url: str) -> str:
    """Return an endpoint's address; InvalidInput, with a code for each reason, when it is none."""
    if len(url) > URL_MAX_CHARACTERS:
        raise _refusal("url_too_long", f"An address has at most {URL_MAX_CHARACTERS} characters.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _refusal("invalid_url", "An address is printable ASCII without blanks.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _refusal("invalid_url", "This is no address.") from None
    _check_parts(parts)
    # A lower one is another service's, which might take what is sent for its own protocol.
    if port is not None and port not in _PORTS and port < _UNPRIVILEGED:
        raise _refusal("invalid_port", "The port is 80, 443, or above 1023.")
    _check_host(host)
    return url


def _check_parts(parts: SplitResult) -> None:
    schemes = {"https", *(["http"] if settings.WEBHOOK_ALLOW_HTTP else [])}
    if parts.scheme not in schemes:
        raise _refusal("invalid_scheme", f"An address begins with {' or '.join(sorted(schemes))}.")
    if parts.username is not None or parts.password is not None:
        raise _refusal("credentials_in_url", "An address holds no credentials.")
    if parts.fragment:
        raise _refusal("invalid_url", "An address has no fragment.")


def _check_host(host: str | None) -> None:
    if not host:
        raise _refusal("invalid_url", "An address names a host.")
    try:
        is_public = ip_address(host).is_global
    except ValueError:  # a name
        is_public = host.rstrip(".") != "localhost"
    if not is_public and not settings.WEBHOOK_ALLOW_PRIVATE:
        raise _refusal("forbidden_address", "An address is a public one.")


def _refusal(code: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, code=code, field="url")
