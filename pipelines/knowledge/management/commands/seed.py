"""`manage.py seed`: a user to try Turnpike with, and its own documentation to ask about."""

from __future__ import annotations

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from pipelines.accounts.models import User
from pipelines.accounts.services import account_register
from pipelines.core import dispatch
from pipelines.knowledge.mirror import collection_mirror
from pipelines.knowledge.models import Collection
from pipelines.knowledge.services import collection_create

EMAIL = "demo@example.com"
COLLECTION = "Turnpike documentation"


class Command(BaseCommand):
    """Bring the demo user and the house's collection up to date."""

    help = "Make the demo user, and load Turnpike's documentation as the house's collection."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where the password lies and what the user may do."""
        parser.add_argument(
            "--home", default=str(settings.HOME), help="the folder that holds demo_password"
        )
        parser.add_argument(
            "--superuser", action="store_true", help="let a new demo user do all in the admin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do both; what is up to date already is left alone."""
        password = Path(options["home"], "demo_password")
        user = demo_user(read_password(password), is_superuser=options["superuser"])
        self.stdout.write(f"Demo user: {user.email}, password in {password}")
        done = collection_mirror(collection=house_collection(), files=documentation())
        # What is handed to the broker's thread would end with this process.
        dispatch.flush()
        counts = ", ".join(f"{count} {what}" for what, count in sorted(done.items()))
        self.stdout.write(f"{COLLECTION}: {counts or 'no file'}")


def read_password(path: Path) -> str:
    """Read the demo user's password, or make one that only this user can read."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    password = secrets.token_urlsafe(12)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(password + "\n")
    return password


def demo_user(password: str, *, is_superuser: bool) -> User:
    """Return the demo user; its password is the file's, whatever it was before."""
    user = User.objects.filter(email__iexact=EMAIL).first()
    if user is None:
        staff = {"is_staff": True, "is_superuser": is_superuser}
        fields = {**staff, "email_verified_at": timezone.now()}
        user = account_register(email=EMAIL, password=password, username="demo", fields=fields)
    if user is None:
        raise CommandError(f"The user name 'demo' belongs to another address than {EMAIL}.")
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def house_collection() -> Collection:
    """Return the house's collection of the documentation."""
    found = Collection.objects.filter(owner=None, name=COLLECTION).first()
    return found or collection_create(owner=None, name=COLLECTION)


def documentation() -> dict[str, bytes]:
    """Read Turnpike's documentation: the bytes of each file by its path in the repository."""
    root = Path(settings.BASE_DIR)
    paths = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    files = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
    return {name: content for name, path in files.items() if (content := path.read_bytes()).strip()}
