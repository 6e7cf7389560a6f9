"""The one tree of errors: each has a stable code, a status, and says whether to try again.

TurnpikeError
├── InvalidInput            what was sent cannot be accepted            422
│   ├── MessageTooLarge     longer than its limit                       413
│   └── UnsupportedType     a media type that nothing here can read     415
├── InsufficientCredits     the balance does not cover it               402
├── NotFound                no such thing, or not the caller's          404
├── Conflict                the thing's present state forbids it        409
│   └── NotClaimable        the step is not there to be taken
├── StaleAttempt            another attempt owns the step by now
├── JobCancelled            the job was cancelled while the step ran
├── PermanentError          trying again would fail the same way
│   └── ProviderRefused     the provider refuses the key or the request
└── TransientError          trying again may succeed                    503
    ├── Deferred            … later: the step's turn has not come, no attempt is used up
    ├── RateLimited         … not before `retry_after` seconds
    ├── ProviderUnavailable the provider is down, slow or cut the line
    └── Unavailable         a part of Turnpike itself is out of reach
"""

from __future__ import annotations

from typing import ClassVar


class TurnpikeError(Exception):
    """Something went wrong inside Turnpike."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, code: str | None = None) -> None:
        """Describe the error to a person.

        Args:
            detail: One sentence without secrets; the class docstring stands in when empty.
            code: A stable code that is narrower than the class's own.
        """
        self.detail = detail or (type(self).__doc__ or "").strip().splitlines()[0]
        self.error_code = code or self.code
        super().__init__(self.detail)


class InvalidInput(TurnpikeError):
    """What was sent cannot be accepted."""

    code = "invalid_input"
    status = 422

    def __init__(self, detail: str = "", *, code: str | None = None, field: str = "") -> None:
        """Name the field that is at fault, when there is one."""
        super().__init__(detail, code=code)
        self.field = field


class MessageTooLarge(InvalidInput):
    """What was sent is larger than its limit."""

    code = "too_large"
    status = 413


class UnsupportedType(InvalidInput):
    """Nothing here can read this type of file."""

    code = "unsupported_type"
    status = 415


class InsufficientCredits(TurnpikeError):
    """The balance does not cover this."""

    code = "insufficient_credits"
    status = 402


class NotFound(TurnpikeError):
    """No such thing exists for this caller."""

    code = "not_found"
    status = 404


class Conflict(TurnpikeError):
    """The present state of the thing forbids this."""

    code = "conflict"
    status = 409


class NotClaimable(Conflict):
    """The step is not there to be taken: it is done, taken, early, or its job has ended."""

    code = "not_claimable"


class StaleAttempt(TurnpikeError):
    """Another attempt owns this step by now; nothing was recorded."""

    code = "stale_attempt"


class JobCancelled(TurnpikeError):
    """The job was cancelled while its step ran."""

    code = "cancelled"


class PermanentError(TurnpikeError):
    """Trying again would fail in the same way."""

    code = "permanent_error"


class ProviderRefused(PermanentError):
    """The provider refuses the key or the request."""

    code = "provider_refused"


class TransientError(TurnpikeError):
    """Trying again may succeed."""

    code = "transient_error"
    status = 503
    retryable = True

    def __init__(
        self, detail: str = "", *, code: str | None = None, retry_after: float | None = None
    ) -> None:
        """Say how long to wait.

        Args:
            detail: One sentence without secrets.
            code: A stable code that is narrower than the class's own.
            retry_after: Seconds that must pass before the next try, when the other side said so.
        """
        super().__init__(detail, code=code)
        self.retry_after = retry_after


class Deferred(TransientError):
    """The step's turn has not come; it is put off, and no attempt is used up."""

    code = "deferred"


class RateLimited(TransientError):
    """The provider asks for a pause."""

    code = "rate_limited"


class ProviderUnavailable(TransientError):
    """The provider is down, slow, or cut the line."""

    code = "provider_unavailable"


class Unavailable(TransientError):
    """A part of Turnpike itself is out of reach."""

    code = "unavailable"
