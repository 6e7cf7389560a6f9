"""Writes: order an export, close an account and order its erasure."""

from __future__ import annotations

from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from pipelines.accounts.models import User
from pipelines.accounts.services import account_lock, check_own_password
from pipelines.api_keys.models import ApiKey
from pipelines.core.errors import Conflict
from pipelines.jobs.models import Job
from pipelines.jobs.services import job_accept
from pipelines.jobs.states import ACTIVE
from pipelines.privacy.pipeline import ERASURE, EXPORT
from pipelines.webhooks.models import Endpoint


def export_request(*, owner: User) -> Job:
    """Order an export.

    Raises:
        Conflict: One is under way already.
    """
    with transaction.atomic():
        account_lock(user=owner)
        if Job.objects.filter(owner=owner, kind=EXPORT.kind, state__in=ACTIVE).exists():
            raise Conflict("An export is under way already.", code="under_way")
        return job_accept(pipeline=EXPORT, owner=owner, input={})


def account_erase(*, user: User, password: str) -> Job:
    """Close an account at once, give its names free, and order the erasure of all that is its.

    An account that has no password, since it is entered by links, needs none.

    Raises:
        InvalidInput: The password is wrong.
        Conflict: It is an account of staff, which other staff must take the rights from first.
    """
    if user.is_staff or user.is_superuser:
        raise Conflict("An account of staff is not erased by itself.", code="is_staff")
    if user.has_usable_password():
        check_own_password(user, password, field="password")
    return account_close(user=user)


@transaction.atomic
def account_close(*, user: User) -> Job:
    """Make every credential of an account void, and order its erasure.

    Raises:
        Conflict: It is closed already.
    """
    if not User.objects.select_for_update().filter(pk=user.pk, is_active=True).exists():
        raise Conflict("This account is closed already.", code="closed")
    nobody = f"erased-{uuid4().hex}"
    User.objects.filter(pk=user.pk).update(
        is_active=False, is_staff=False, is_superuser=False, username=nobody, email=""
    )
    ApiKey.objects.filter(owner=user).delete()
    Endpoint.objects.filter(owner=user, disabled_at=None).update(
        disabled_at=timezone.now(), disabled_reason="The account is closed."
    )
    return job_accept(pipeline=ERASURE, owner=None, input={"owner_id": str(user.pk)})
