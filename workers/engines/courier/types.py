"""What a courier takes and promises, its settings, and what can go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pipelines.core.errors import PermanentError, TransientError


class ForbiddenAddress(PermanentError):
    """Nothing is delivered to this address: it is no public one, or not the web's."""

    code = "forbidden_address"


class Unreachable(TransientError):
    """The endpoint could not be reached, or did not answer in time or in HTTP."""

    code = "endpoint_unreachable"


@dataclass(frozen=True)
class CourierConfig:
    """How long to wait, and what is allowed.

    Attributes:
        connect_timeout: Seconds to look the host up and connect, and again for the TLS handshake.
        read_timeout: Seconds between two pieces of the answer, or of what is sent.
        total_timeout: Seconds for all of it, whatever the other side does.
        allow_http: Whether an address without TLS is delivered to.
        allow_private: Whether addresses that are not public are; for development only.
        answer_limit: Bytes of the answer's body that are read and kept.
        user_agent: Who we say we are.
    """

    connect_timeout: float
    read_timeout: float
    total_timeout: float
    allow_http: bool = False
    allow_private: bool = False
    answer_limit: int = 1024
    user_agent: str = "Turnpike-Webhooks/1"


@dataclass(frozen=True)
class Parcel:
    """One POST.

    Attributes:
        url: Absolute; not shown by `repr`, since many receivers' URLs hold a secret.
        body: Sent as it is.
        headers: Further headers; none that the courier sets itself.
    """

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What the endpoint said.

    Attributes:
        status: Of HTTP; a redirect is as good an answer as any other.
        body: Its first bytes as text: what is no UTF-8 is replaced, NULs are left out.
        seconds: From the look-up of the host to the last byte that was read.
        retry_after: Seconds from now, a day at most; None when the endpoint did not say.
    """

    status: int
    body: str
    seconds: float
    retry_after: float | None


class Courier(Protocol):
    """Delivers what was signed to an address that anybody may have written."""

    def deliver(self, parcel: Parcel) -> Answer:
        """POST a parcel once, and follow no redirect.

        Returns:
            The endpoint's answer, whatever its status.

        Raises:
            InvalidInput: A header that cannot be sent, or that is the courier's own.
            ForbiddenAddress: The URL's scheme, host or port is not allowed, or one of the host's
                addresses is not public; nothing was sent.
            Unreachable: No whole answer came in time; the parcel may have arrived.
        """
        ...
