"""Signing in, by whatever credential a face asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import RefreshToken, Token

from api.auth import SIGN_IN, caller, django_request
from api.lockout import unlock
from pipelines.accounts.services import password_reset, sign_in_end
from pipelines.api_keys.models import ApiKey
from pipelines.api_keys.services import api_key_revoke

if TYPE_CHECKING:
    from pipelines.accounts.models import User

# Whoever gets here without a password was known by it before, or by a link.
_OWN = "pipelines.accounts.backends.UsernameOrEmailBackend"
WRONG = "There is no such account, or the password is wrong."


def user_by_password(request: Request, name: str, password: str) -> User:
    """Return the account of an address or a username; AuthenticationFailed when it is not so."""
    user = authenticate(request=django_request(request), username=name, password=password)
    if user is None:
        raise AuthenticationFailed(WRONG, "wrong_credentials")
    return user


@transaction.atomic
def password_chosen(token: str, password: str) -> None:
    """Choose a password by a link: it ends what was given out before, and the lock of guessing."""
    unlock(password_reset(token=token, password=password))


def signed_in(request: Request, user: User) -> User:
    """Tell whoever counts sign-ins of one that opened no session; return the account."""
    user_logged_in.send(sender=type(user), request=django_request(request), user=user)
    return user


def session_open(request: HttpRequest, user: User) -> str:
    """Open a session in the caller's browser; return the CSRF token that goes with it."""
    request.session.flush()  # whoever signs in once more gets another id, too
    login(request, user, backend=_OWN)
    return get_token(request)


def session_close(request: HttpRequest, response: HttpResponseBase) -> None:
    """End the session in the caller's browser, which is to forget what it showed."""
    logout(request)
    browser_clear(response)


def sign_out(request: Request, response: HttpResponseBase) -> None:
    """Make void the credential that a request shows, whichever it is."""
    if isinstance(request.auth, ApiKey):
        api_key_revoke(api_key=request.auth)
    elif isinstance(request.auth, Token):
        tokens_end(caller(request), request.auth)
    session_close(django_request(request), response)


def tokens_end(user: User, token: Token) -> None:
    """Make void every token of the sign-in that one of them goes back to."""
    until = timezone.now() + RefreshToken.lifetime
    sign_in_end(user=user, sign_in=token.get(SIGN_IN, ""), until=until.timestamp())


def browser_clear(response: HttpResponseBase) -> None:
    """Have a browser forget what it keeps of this origin, but for cookies, which end by name."""
    response["Clear-Site-Data"] = '"cache", "storage"'
