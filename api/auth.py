"""Who calls, and what the credential allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import Token

from pipelines.api_keys.models import ApiKey, Scope
from pipelines.api_keys.selectors import MARK, api_key_by_text
from pipelines.api_keys.services import api_key_used

if TYPE_CHECKING:
    from rest_framework.views import APIView

    from pipelines.accounts.models import User

# The claim of a token that names the sign-in which it goes back to.
SIGN_IN = "sign_in"
# What whoever is refused is to use.
SCHEME = 'Bearer realm="api"'


def caller(request: Request) -> User:
    """Return the account that makes a request, in a view that demands one."""
    return cast("User", request.user)


def django_request(request: Request) -> HttpRequest:
    """Return the request as Django knows it."""
    return request._request  # noqa: SLF001 - REST framework names no other way to it


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer tpk_…`, or `Token tpk_…`; other bearers are left to who comes next."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """Return the key's owner and the key; None when no key was shown."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        is_other = scheme.lower() == "bearer" and not text.strip().startswith(MARK)
        if is_other or scheme.lower() not in {"bearer", "token"}:
            return None
        key = api_key_by_text(text.strip())
        if key is None:
            raise AuthenticationFailed("This API key is not valid.", code="invalid_api_key")
        api_key_used(api_key=key)
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme to whoever showed no credential."""
        return SCHEME


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer` and an access token, whose sign-in has not been ended."""

    # simplejwt's annotation lets nobody say which of its two kinds of users this is.
    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        """Return whose token it is."""
        user = cast("User", super().get_user(validated_token))
        # Those that an earlier version gave out bear no name of a sign-in, and expire soon.
        if validated_token.get(SIGN_IN) in user.ended_sign_ins:
            raise InvalidToken("This sign-in has ended.")
        return user


def refuse_keys(request: Request) -> None:
    """Raise PermissionDenied for whoever shows an API key: this is a person's alone to do."""
    if isinstance(request.auth, ApiKey):
        raise PermissionDenied("No API key may do this.", code="wrong_scope")


class InScope(BasePermission):
    """Lets an API key do what its scopes say; a person may do everything that a view offers.

    A view's `scope` is the one that it needs, or None where no key may come in. Without it, looking
    needs `read` and everything else `write`.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Refuse a key that lacks the scope, with the scope's name."""
        if not isinstance(request.auth, ApiKey):
            return True
        by_method = Scope.READ if request.method in SAFE_METHODS else Scope.WRITE
        needed: Scope | None = getattr(view, "scope", by_method)
        if needed is None:
            refuse_keys(request)
        if needed not in request.auth.scopes:
            raise PermissionDenied(f"This API key lacks the scope '{needed}'.", code="wrong_scope")
        return True
