"""Artifacts: the files that jobs made, streamed to their owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.files.base import File
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.views import APIView

from api.auth import caller, django_request
from api.negotiation import AsItIs
from api.schema import operation
from pipelines.core.errors import NotFound
from pipelines.jobs.artifacts import artifact_open
from pipelines.jobs.selectors import artifact_get

BLOCK = 64 * 1024  # bytes


class ArtifactView(APIView):
    """One file."""

    content_negotiation_class = AsItIs

    @operation("jobs_artifact", {(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, job_id: UUID, name: str) -> HttpResponseBase:
        """Fetch a file that a job made."""
        if not name.isprintable():  # a database refuses a NUL
            raise NotFound("There is no such file.")
        artifact = artifact_get(caller(request), job_id, name)
        etag = f'"{artifact.sha256}"'
        response: HttpResponseBase | None = get_conditional_response(
            django_request(request), etag=etag
        )
        if response is None:
            response = _stream(request, artifact_open(artifact))
            response["Content-Type"] = artifact.content_type
            response["Content-Length"] = str(artifact.size)
        disposition = content_disposition_header(as_attachment=True, filename=artifact.name)
        response["Content-Disposition"] = disposition or "attachment"
        response["ETag"] = etag
        # What a model wrote must never run as a page of this site.
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = (
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox"
        )
        return response


def _stream(request: Request, file: File[bytes]) -> HttpResponseBase:
    """Send a file in blocks; under ASGI Django would read a synchronous stream whole."""
    if isinstance(django_request(request), ASGIRequest):
        return StreamingHttpResponse(_blocks(file))
    return FileResponse(file)


async def _blocks(file: File[bytes]) -> AsyncIterator[bytes]:
    """Read a file in blocks, on another thread than the event loop's."""
    try:
        while block := await sync_to_async(file.read, thread_sensitive=False)(BLOCK):
            yield block
    finally:
        await sync_to_async(file.close, thread_sensitive=False)()
