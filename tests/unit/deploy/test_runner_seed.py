"""`manage.py seed`: the demo user, and the documentation as the house's collection."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from deploy.local.announce import DEMO_EMAIL
from pipelines.accounts.models import User
from pipelines.jobs.models import Job
from pipelines.knowledge.management.commands.seed import COLLECTION, EMAIL
from pipelines.knowledge.models import Collection, Document, DocumentState
from pipelines.knowledge.pipeline import INGEST

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(tmp_path: Path, settings: object) -> Path:
    """A repository with two pages and what is no page of its own."""
    folder = tmp_path / "repository"
    (folder / "docs" / "adr").mkdir(parents=True)
    (folder / "README.md").write_text("# Turnpike\n")
    (folder / "docs" / "adr" / "0001.md").write_text("# One\n")
    (folder / "docs" / "empty.md").write_text("\n")
    (folder / "docs" / "LICENSE").write_text("none of the documentation")
    settings.BASE_DIR = folder  # type: ignore[attr-defined]  # pytest-django's wrapper
    return folder


def seed(home: Path, *options: str) -> str:
    """Run the command with a home; return what it says."""
    said = io.StringIO()
    call_command("seed", f"--home={home}", *options, stdout=said)
    return said.getvalue()


def documents() -> dict[str, bytes]:
    """The documents of the house, by name."""
    return {
        document.name: bytes(document.content)
        for document in Document.objects.filter(collection__owner=None)
    }


def test_the_first_seed_makes_a_user_with_a_password_of_its_own(root: Path, tmp_path: Path) -> None:
    said = seed(tmp_path, "--superuser")
    file = tmp_path / "demo_password"
    user = User.objects.get()
    assert (user.email, user.username) == (EMAIL, "demo")
    assert (user.is_staff, user.is_superuser, user.email_verified) == (True, True, True)
    assert len(file.read_text().strip()) == 16
    assert user.check_password(file.read_text().strip())
    assert file.stat().st_mode & 0o777 == 0o600
    assert said == (
        f"Demo user: demo@example.com, password in {file}\nTurnpike documentation: 2 added\n"
    )


def test_the_runner_and_the_command_speak_of_the_same_user() -> None:
    assert DEMO_EMAIL == EMAIL


def test_without_the_option_the_user_is_no_superuser(root: Path, tmp_path: Path) -> None:
    seed(tmp_path)
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (True, False)


def test_the_documentation_becomes_ingests_of_the_house(root: Path, tmp_path: Path) -> None:
    seed(tmp_path)
    assert documents() == {"README.md": b"# Turnpike\n", "docs/adr/0001.md": b"# One\n"}
    assert Collection.objects.get().name == COLLECTION
    assert {(job.kind, job.owner) for job in Job.objects.all()} == {(INGEST.kind, None)}


def test_a_second_seed_changes_nothing(root: Path, tmp_path: Path) -> None:
    seed(tmp_path)
    before = list(Document.objects.values_list("pk", "job_id").order_by("pk"))
    password = User.objects.get().password
    assert "2 unchanged" in seed(tmp_path)
    assert list(Document.objects.values_list("pk", "job_id").order_by("pk")) == before
    assert User.objects.get().password == password
    assert Job.objects.count() == 2


def test_changed_pages_are_replaced_and_removed_ones_deleted(root: Path, tmp_path: Path) -> None:
    seed(tmp_path)
    (root / "README.md").write_text("# Turnpike, again\n")
    (root / "docs" / "adr" / "0001.md").unlink()
    (root / "docs" / "new.md").write_text("# New\n")
    assert "1 added, 1 changed, 1 removed" in seed(tmp_path)
    assert documents() == {"README.md": b"# Turnpike, again\n", "docs/new.md": b"# New\n"}


def test_a_page_whose_ingest_failed_is_tried_again(root: Path, tmp_path: Path) -> None:
    seed(tmp_path)
    Document.objects.filter(name="README.md").update(state=DocumentState.FAILED)
    assert "1 changed, 1 unchanged" in seed(tmp_path)
    assert Document.objects.get(name="README.md").state == DocumentState.PROCESSING


def test_the_file_says_what_the_password_is(root: Path, tmp_path: Path) -> None:
    seed(tmp_path)
    (tmp_path / "demo_password").write_text("another one\n")
    seed(tmp_path)
    assert User.objects.get().check_password("another one")


def test_another_person_called_demo_is_left_alone(root: Path, tmp_path: Path) -> None:
    User.objects.create_user("demo", "someone@example.org", "theirs")
    with pytest.raises(CommandError, match="The user name 'demo' belongs to another address"):
        seed(tmp_path)
    assert User.objects.get().email == "someone@example.org"
