"""Links that are sent to an address: each is for one purpose, works once, and for a while.

Nothing is kept of a link: it bears a digest of what of the account changes when it is used, and
so is void afterwards. Whoever follows one has shown that the address is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare, salted_hmac

from pipelines.accounts.models import User
from pipelines.core.errors import InvalidInput


@dataclass(frozen=True)
class Purpose:
    """What a link is for.

    Attributes:
        name: Keeps links of one purpose from working for another.
        lifetime: The setting that says for how many seconds it works.
        changes: What of the account a use changes.
    """

    name: str
    lifetime: str
    changes: Callable[[User], object]

    @property
    def salt(self) -> str:
        """What its signatures and digests are made with."""
        return f"turnpike.accounts.{self.name}"

    def digest(self, user: User) -> str:
        """Tell an account from what it will be after the link was used."""
        state = f"{user.email}\n{self.changes(user)}"
        return salted_hmac(self.salt, state, algorithm="sha256").hexdigest()[:32]


VERIFY = Purpose("email", "EMAIL_LINK_SECONDS", lambda user: user.email_verified_at)
SIGN_IN = Purpose("sign_in", "SIGN_IN_LINK_SECONDS", lambda user: (user.last_login, user.password))
RESET = Purpose("reset", "RESET_LINK_SECONDS", lambda user: user.password)


def token_of(user: User, purpose: Purpose) -> str:
    """Make the token of a link."""
    return signing.dumps({"id": str(user.pk), "mark": purpose.digest(user)}, salt=purpose.salt)


def user_by_token(token: str, purpose: Purpose) -> User:
    """Return the account of a token, and lock its row: of two who use a link, the second fails.

    Raises:
        InvalidInput: The token is broken, too old or used, or the account is closed.
    """
    try:
        claim = signing.loads(token, salt=purpose.salt, max_age=getattr(settings, purpose.lifetime))
        user = User.objects.select_for_update().filter(pk=claim["id"], is_active=True).first()
        if user is None or not constant_time_compare(claim["mark"], purpose.digest(user)):
            raise InvalidInput("This link was used already.", code="invalid_link")
    except (signing.BadSignature, ValidationError, KeyError, TypeError) as error:
        raise InvalidInput("This link is broken or has expired.", code="invalid_link") from error
    return user
