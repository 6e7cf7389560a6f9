"""The session of a person in a browser."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from api.accounts import AccountShape
from api.auth import django_request
from api.bodies import read
from api.open import Open
from api.schema import operation
from api.signing_in import session_close, session_open, user_by_password
from api.tokens import SignInBody


class SessionShape(serializers.Serializer[Any]):
    """Who has signed in, and what every unsafe request must show as `X-CSRFToken`."""

    user = AccountShape()
    csrf_token = serializers.CharField()


class Session(Open):
    """The caller's session."""

    authentication_classes = [SessionAuthentication]

    @operation("sessions_create", {200: SessionShape}, request=SignInBody, auth=[])
    def post(self, request: Request) -> Response:
        """Sign in: the answer sets a cookie. JSON alone is read, which no other site can send."""
        user = user_by_password(request, **read(SignInBody, request.data))
        token = session_open(django_request(request), user)
        return Response(SessionShape({"user": user, "csrf_token": token}).data)

    @operation("sessions_delete", {204: None})
    def delete(self, request: Request) -> Response:
        """Sign out."""
        response = Response(status=204)
        session_close(django_request(request), response)
        return response
