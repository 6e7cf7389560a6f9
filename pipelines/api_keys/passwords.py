"""What a changed password ends, whoever changed it and wherever: Django tells its validators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.api_keys.services import sign_in_tokens_revoke

if TYPE_CHECKING:
    from pipelines.accounts.models import User


class EndsSignIns:
    """Refuses no password, and makes void the tokens of the sign-ins by the one before."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Take any password."""

    def password_changed(self, password: str, user: User) -> None:
        """Make the tokens void."""
        sign_in_tokens_revoke(owner=user)

    def get_help_text(self) -> str:
        """Say it in a sentence."""
        return "Another password ends the sign-ins by the old one."
