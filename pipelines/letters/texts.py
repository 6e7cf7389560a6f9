"""The letters themselves, and where their links lead."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.accounts.links import RESET, SIGN_IN, VERIFY, Purpose


@dataclass(frozen=True)
class Letter:
    """One kind of letter.

    Attributes:
        subject: Its subject.
        text: Its text, in which `{link}` stands for the link, if it has one.
        purpose: What the link is for.
        path: The page that the link leads to, under PUBLIC_URL.
    """

    subject: str
    text: str
    purpose: Purpose | None = None
    path: str = ""


VERIFICATION = Letter(
    "Please verify your e-mail address",
    """Hello,

please open this link to show that this address is yours:

{link}

If you did not register, ignore this e-mail: an address that is not verified is forgotten.
""",
    VERIFY,
    "/api/v1/accounts/verify/",
)
# It holds no link: whoever registered the address before may not have been its owner.
KNOWN = Letter(
    "You are registered already",
    """Hello,

somebody tried to register this address, for which there is an account already.

If it was you, sign in with the password that you chose then. If not, there is nothing to do.
""",
)
SIGN_IN_LINK = Letter(
    "Your link to sign in",
    """Hello,

open this link to sign in. It works once, and not for long:

{link}

If you did not ask for it, ignore this e-mail: nobody else has the link.
""",
    SIGN_IN,
    "/accounts/link/",
)
RESET_LINK = Letter(
    "Choose another password",
    """Hello,

open this link to choose another password. It works once, and not for long:

{link}

If you did not ask for it, ignore this e-mail: your password stays as it is.
""",
    RESET,
    "/accounts/reset/",
)

# Letters that anybody may ask for by naming an address.
BY_ADDRESS = {"sign_in": SIGN_IN_LINK, "reset": RESET_LINK}
