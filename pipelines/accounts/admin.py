"""Admin pages of accounts and groups."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from unfold.forms import (  # type: ignore[import-untyped]
    AdminPasswordChangeForm,
    UserChangeForm,
    UserCreationForm,
)

from pipelines.accounts.models import User
from pipelines.core.admin import CascadeAdmin, Page

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, CascadeAdmin):  # type: ignore[type-arg]  # not at run time
    """Accounts."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "email_verified", "is_staff", "is_active", "date_joined")
    list_filter = ("is_staff", "is_superuser", "is_active", "date_joined")
    ordering = ("-date_joined",)
    readonly_fields = ("last_login", "date_joined", "date_modified", "email_verified_at")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "email_verified_at", "bio")}),
        ("Company", {"fields": ("company_name", "company_size", "industry", "job_title")}),
        ("Preferences", {"fields": ("preferences",)}),
        (
            "Rights",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("Dates", {"fields": ("last_login", "date_joined", "date_modified")}),
    )

    @admin.display(boolean=True, ordering="email_verified_at", description="verified")
    def email_verified(self, user: User) -> bool:
        """Show whether the address is verified."""
        return user.email_verified


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, Page):
    """Groups."""
