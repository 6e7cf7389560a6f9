"""What the admin pages of all nouns share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline

    Page = ModelAdmin[Any]
    Rows = TabularInline[Any, Any]
else:  # unfold bears no annotations; its classes extend Django's
    from unfold.admin import ModelAdmin as Page
    from unfold.admin import TabularInline as Rows


class WatchOnly:
    """Rows that Turnpike writes: people look at them, and change them by actions at most."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Forbid adding by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Forbid editing by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Forbid deleting by hand; retention does that."""
        return False


class WatchAdmin(WatchOnly, Page):
    """A list and a page to look at."""

    # A count of all rows on top of the filtered one costs a scan of the table.
    show_full_result_count = False
    list_per_page = 50


class WatchInline(WatchOnly, Rows):
    """Rows under another's page, to look at."""

    extra = 0
    per_page = 100
    hide_title = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Show every field that is listed as a text."""
        return tuple(self.fields or ())


class CascadeAdmin(Page):
    """Things that take with them, when they are deleted, what may not be deleted by itself."""

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Ask for the right to delete the thing, not for that to delete each of its parts."""
        shown, counts, _, protected = super().get_deleted_objects(objs, request)
        return shown, counts, set(), protected

    def erase(self, obj: Any) -> None:
        """Delete one thing as the API does."""
        obj.delete()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete what a page shows."""
        self.erase(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete what was chosen in a list."""
        for obj in queryset:
            self.erase(obj)


def link_to(row: Model | None, text: str = "") -> SafeString | str:
    """Link to a row's own page in the admin."""
    if row is None:
        return "–"
    meta = row._meta  # noqa: SLF001 - public, for all its name
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', url, text or str(row)
    )


def pretty(value: Any) -> SafeString | str:
    """Lay JSON out for a person."""
    if value in (None, {}, []):
        return "–"
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap">{}</pre>', text)
