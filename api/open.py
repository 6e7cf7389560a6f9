"""Views that ask nobody to sign in. REST framework loads `api.auth` before it has a view."""

from __future__ import annotations

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from api.auth import SCHEME


class Open(APIView):
    """A view for everybody: what it needs to know of the caller is in the body."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        """Name the scheme that a refused caller is to use, without which a 401 would be a 403."""
        return SCHEME
