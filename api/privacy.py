"""What a person may demand of their data: all of it as a file, and none of it any more."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller, django_request, refuse_keys
from api.bodies import Text, read
from api.idempotency import Creating
from api.schema import Detail, operation
from api.shapes import JobShape, accepted
from api.throttles import Asked, count
from pipelines.privacy import services

ERASED = "The account is closed, and all that belongs to it is being deleted."


class ErasureBody(serializers.Serializer[Any]):
    """The password, which an account that is entered by links has none of."""

    password = Text(trim_whitespace=False, max_length=4096, required=False, default="")


class Export(Creating):
    """Exports of all that an account has."""

    scope = None

    @operation("privacy_export", {202: JobShape}, request=None)
    def post(self, request: Request) -> Response:
        """Order an export; its file, `export.zip`, is the job's, and is kept for EXPORT_DAYS."""
        user = caller(request)
        return accepted(services.export_request(owner=user), user)


class Erasing(APIView):
    """The deletion of an account."""

    @operation("privacy_erase", {202: Detail}, request=ErasureBody)
    def delete(self, request: Request) -> Response:
        """Close the own account at once, and delete all that belongs to it, by and by."""
        refuse_keys(request)
        count(Asked(django_request(request)), "sign_in")
        services.account_erase(user=caller(request), **read(ErasureBody, request.data))
        return Response({"detail": ERASED}, status=202)
