"""Signing in by username or by e-mail address."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Q
from django.http import HttpRequest

from pipelines.accounts.models import User


class UsernameOrEmailBackend(ModelBackend):
    """Accept either name; what looks like an address is looked up as one."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user whose password this is.

        An unknown name costs the same hashing as a known one, so time tells nothing.
        """
        if not username or password is None:
            return None
        is_address = "@" in username
        names = Q(email__iexact=username) if is_address else Q(username=username)
        user = User.objects.filter(names).first()
        if user is None and is_address:
            user = User.objects.filter(username=username).first()
        if user is None:
            User().set_password(password)
            return None
        if user.check_password(password) and self.user_can_authenticate(user):
            return user
        return None
