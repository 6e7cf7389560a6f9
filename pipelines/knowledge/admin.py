"""Admin pages of collections and documents."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from pipelines.core.admin import CascadeAdmin, WatchAdmin, link_to
from pipelines.knowledge.models import Collection, Document
from pipelines.knowledge.services import collection_delete, document_delete


@admin.register(Collection)
class CollectionAdmin(CascadeAdmin):
    """Collections; one without an owner is the house's and open to all."""

    list_display = ("name", "owner", "document_count", "created_at")
    list_select_related = ("owner",)
    search_fields = ("id", "name", "owner__email", "owner__username")
    autocomplete_fields = ("owner",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Collection]:
        """Count the documents along."""
        collections: QuerySet[Collection] = super().get_queryset(request)
        return collections.annotate(document_count=Count("documents"))

    def erase(self, obj: Collection) -> None:
        """Cancel what is under way and delete."""
        collection_delete(collection=obj)

    @admin.display(description="documents", ordering="document_count")
    def document_count(self, collection: Collection) -> int:
        """Show how many documents are in a collection."""
        return int(getattr(collection, "document_count", 0))


@admin.register(Document)
class DocumentAdmin(WatchAdmin, CascadeAdmin):
    """Documents; staff may delete them, but not read them here."""

    list_display = ("__str__", "collection", "state", "media_type", "size", "created_at")
    list_filter = ("state", "media_type")
    list_select_related = ("collection",)
    search_fields = ("id", "name", "title", "sha256")
    ordering = ("-id",)
    fields = (
        "id",
        "collection",
        "job_link",
        "state",
        "name",
        "title",
        "media_type",
        "size",
        "sha256",
        "indexed_version",
        "created_at",
    )
    readonly_fields = ("job_link",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        """Leave the bytes and the text where they are."""
        return super().get_queryset(request).defer("content", "text")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether somebody may delete documents."""
        return request.user.has_perm("knowledge.delete_document")

    def erase(self, obj: Document) -> None:
        """Cancel what is under way and delete."""
        document_delete(document=obj)

    @admin.display(description="job")
    def job_link(self, document: Document) -> SafeString | str:
        """Link to the job that takes the document in."""
        return link_to(document.job)
