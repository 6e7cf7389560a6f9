"""Knowledge: collections, their documents, and searches."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.auth import caller
from api.bodies import Text, read
from api.deadlines import CANCEL_AFTER, TimedBody, read_timed
from api.idempotency import Creating
from api.schema import operation
from api.shapes import ErrorShape, JobShape, accepted, error_of
from pipelines.core.errors import MessageTooLarge
from pipelines.knowledge import selectors, services
from pipelines.knowledge.models import Collection, Document, DocumentState

# What a multipart body may weigh besides its file, in bytes.
_ENVELOPE = 64 * 1024


class CollectionBody(serializers.Serializer[Any]):
    """A new collection."""

    name = Text(max_length=200)


class CollectionShape(serializers.Serializer[Any]):
    """A collection; one of the house can be searched by all and changed by none."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    is_own = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_is_own(self, collection: Collection) -> bool:
        """Whether the collection is somebody's, and so the reader's own."""
        return collection.owner_id is not None


class UploadBody(TimedBody):
    """A document to be read, and where it goes."""

    # Whether a file can be read is the service's to say.
    file = serializers.FileField(allow_empty_file=True)
    collection = serializers.UUIDField()


class DocumentFilters(serializers.Serializer[Any]):
    """Which documents to list."""

    collection = serializers.UUIDField(required=False)


class DocumentShape(serializers.Serializer[Any]):
    """A document; `error` says why it could not be taken in."""

    id = serializers.UUIDField()
    collection = serializers.UUIDField(source="collection_id")
    job_id = serializers.UUIDField(allow_null=True)
    state = serializers.ChoiceField(choices=DocumentState.choices)
    name = serializers.CharField()
    title = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()
    error = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    @extend_schema_field(ErrorShape(allow_null=True))
    def get_error(self, document: Document) -> dict[str, str] | None:
        """Say why the document could not be taken in."""
        return error_of(document.job) if document.job else None


class UploadShape(serializers.Serializer[Any]):
    """A document, and the job that takes it in."""

    document = DocumentShape()
    job = JobShape()


class SearchBody(TimedBody):
    """A search."""

    query = Text(allow_blank=True, trim_whitespace=False)
    limit = serializers.IntegerField(min_value=1, required=False)
    collections = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, max_length=100
    )


class Collections(Creating, ListAPIView[Collection]):
    """Collections."""

    serializer_class = CollectionShape

    def get_queryset(self) -> QuerySet[Collection]:
        """Choose what the caller may search."""
        return selectors.collections_seen_by(caller(self.request).pk)

    @operation("collections_list", {200: CollectionShape(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the own collections and the house's, newest first."""
        return super().get(request, *args, **kwargs)

    @operation("collections_create", {201: CollectionShape}, request=CollectionBody)
    def post(self, request: Request) -> Response:
        """Create a collection."""
        name = read(CollectionBody, request.data)["name"]
        made = services.collection_create(owner=caller(request), name=name)
        return Response(CollectionShape(made).data, status=201)


class CollectionView(APIView):
    """One collection."""

    @operation("collections_get", {200: CollectionShape})
    def get(self, request: Request, collection_id: UUID) -> Response:
        """Read a collection."""
        found = selectors.collection_get(caller(request), collection_id)
        return Response(CollectionShape(found).data)

    @operation("collections_delete", {204: None})
    def delete(self, request: Request, collection_id: UUID) -> Response:
        """Delete an own collection with all that is in it."""
        found = selectors.collection_get_own(caller(request), collection_id)
        services.collection_delete(collection=found)
        return Response(status=204)


def _check_length(size: int) -> None:
    """Refuse by the length alone, before the content is read into memory."""
    if size > (limit := settings.UPLOAD_MAX_BYTES):
        raise MessageTooLarge(f"The document is larger than {limit} bytes.", field="file")


class UploadParser(MultiPartParser):
    """Takes a form apart, unless it is too large to hold a document."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Refuse what is too large; otherwise as its parent does."""
        meta = parser_context["request"].META
        _check_length(int(meta.get("CONTENT_LENGTH") or 0) - _ENVELOPE)
        return super().parse(stream, media_type, parser_context)


class Documents(Creating, ListAPIView[Document]):
    """Documents."""

    serializer_class = DocumentShape
    parser_classes = [UploadParser]

    def get_queryset(self) -> QuerySet[Document]:
        """Choose what the caller may see, in the collection that the filter names."""
        seen = selectors.documents_seen_by(caller(self.request).pk)
        filters = read(DocumentFilters, self.request.query_params)
        return seen.filter(collection_id=filters["collection"]) if filters else seen

    @operation("documents_list", {200: DocumentShape(many=True)}, parameters=[DocumentFilters])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the documents that the caller may search, newest first."""
        return super().get(request, *args, **kwargs)

    @operation(
        "documents_upload",
        {202: UploadShape},
        request={"multipart/form-data": UploadBody},
        parameters=[CANCEL_AFTER],
    )
    def post(self, request: Request) -> Response:
        """Upload plain text or Markdown, in UTF-8, into an own collection."""
        body, user = read_timed(UploadBody, request), caller(request)
        file = body["file"]
        _check_length(file.size)
        document = services.document_upload(
            owner=user,
            collection=selectors.collection_get_own(user, body["collection"]),
            name="".join(filter(str.isprintable, file.name)),
            declared=file.content_type or "",
            content=file.read(),
            deadline=body["deadline"],
        )
        return accepted(document.job, user, wrap="job", document=DocumentShape(document).data)


class DocumentView(APIView):
    """One document."""

    @operation("documents_get", {200: DocumentShape})
    def get(self, request: Request, document_id: UUID) -> Response:
        """Read what is known of a document."""
        found = selectors.document_get(caller(request), document_id)
        return Response(DocumentShape(found).data)

    @operation("documents_delete", {204: None})
    def delete(self, request: Request, document_id: UUID) -> Response:
        """Delete a document of an own collection: from now on no search returns it."""
        found = selectors.document_get_own(caller(request), document_id)
        services.document_delete(document=found)
        return Response(status=204)


class Searches(Creating):
    """Searches."""

    @operation("knowledge_search", {202: JobShape}, request=SearchBody, parameters=[CANCEL_AFTER])
    def post(self, request: Request) -> Response:
        """Search; the passages are the job's result."""
        body, user = read_timed(SearchBody, request), caller(request)
        limit = body.get("limit", settings.RETRIEVE_PASSAGES)
        job = services.search_request(
            owner=user,
            query=body["query"],
            limit=limit,
            collections=body.get("collections"),
            deadline=body["deadline"],
        )
        return accepted(job, user)
