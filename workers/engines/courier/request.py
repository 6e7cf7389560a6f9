"""The request that a parcel becomes, and what of it is refused before anything is looked up."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, quote, urlsplit

import httpcore2

from pipelines.core.errors import InvalidInput
from workers.engines.courier.types import CourierConfig, ForbiddenAddress, Parcel

_PORTS = {"https": 443, "http": 80}
# What one parser drops or turns round and the next one does not.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")  # no zone: a public address needs none
_QUERY_SAFE = "!$%&'()*+,/:;=?@[]~"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"([!-~]([ -~\t]*[!-~])?)?")
_OURS = {
    "accept", "accept-encoding", "connection", "content-length", "expect", "host", "te", "trailer",
    "transfer-encoding", "upgrade", "user-agent",
}  # fmt: skip


def build(parcel: Parcel, config: CourierConfig) -> httpcore2.Request:
    """Return the POST of a parcel.

    Raises:
        ForbiddenAddress: The URL is none, holds credentials, or its scheme or port is not allowed.
        InvalidInput: A header has a line break or another sign that no header has, or is ours.
    """
    url = _url(parcel.url, allow_http=config.allow_http)
    _check_headers(parcel)
    host = url.host.decode()
    name = f"[{host}]" if ":" in host else host
    is_default = url.port == _PORTS[url.scheme.decode()]
    headers = {
        "Host": name if is_default else f"{name}:{url.port}",
        **parcel.headers,
        "User-Agent": config.user_agent,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(parcel.body)),
        "Connection": "close",
    }
    timeouts = {
        "connect": config.connect_timeout,
        "read": config.read_timeout,
        "write": config.read_timeout,
    }
    return httpcore2.Request(
        "POST",
        url,
        headers=list(headers.items()),
        content=parcel.body,
        extensions={"timeout": timeouts},
    )


def _url(text: str, *, allow_http: bool) -> httpcore2.URL:
    """Take a URL apart once; what follows never parses it again."""
    if _AMBIGUOUS.search(text):
        raise ForbiddenAddress("The endpoint's URL has blanks, backslashes or control characters.")
    try:
        parts = urlsplit(text)
        port, host = parts.port, _host(parts.hostname or "")
        target = quote(parts.path or "/", safe=_QUERY_SAFE)
        query = quote(parts.query, safe=_QUERY_SAFE)
    except ValueError:  # not as the cause: it quotes the URL
        raise ForbiddenAddress("The endpoint's URL is not valid.") from None
    _check_parts(parts, port, allow_http=allow_http)
    return httpcore2.URL(
        scheme=parts.scheme,
        host=host,
        port=_PORTS[parts.scheme] if port is None else port,
        target=f"{target}?{query}" if query else target,
    )


def _host(name: str) -> str:
    """Return the host in ASCII, without the dot of a full name, which no certificate has."""
    host = name if name.isascii() else name.encode("idna").decode()
    host = host.lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        raise ValueError("not a host")
    return host


def _check_parts(parts: SplitResult, port: int | None, *, allow_http: bool) -> None:
    if parts.scheme not in ({"http", "https"} if allow_http else {"https"}):
        raise ForbiddenAddress("The endpoint's URL does not begin with https://.")
    if "@" in parts.netloc:
        raise ForbiddenAddress("The endpoint's URL holds credentials.")
    # A lower port is another service's, which might take the request for its own protocol.
    if port is not None and port not in _PORTS.values() and port < 1024:
        raise ForbiddenAddress("The endpoint's port is neither 80 nor 443 nor above 1023.")


def _check_headers(parcel: Parcel) -> None:
    for name, value in parcel.headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidInput("A header has a character that cannot be sent.", field="headers")
        if name.lower() in _OURS:
            raise InvalidInput("A header is the courier's own.", field="headers")
