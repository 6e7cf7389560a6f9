"""The pages of an account: what a person without a program does."""

from __future__ import annotations

import pytest
from django.test import Client

from pipelines.accounts.links import RESET, SIGN_IN, token_of
from pipelines.accounts.models import User
from pipelines.jobs.models import Job
from pipelines.mail.models import Email
from tests.factories import PASSWORD, UserFactory

NEW = "another quiet password"


@pytest.fixture
def browser(db: None) -> Client:
    """A browser, which keeps cookies and shows each form's token."""
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def user(db: None) -> User:
    return UserFactory.create()


def _send(browser: Client, path: str, **fields: str) -> tuple[int, str]:
    """Open a page, and send its form; return the status, and where it leads or what it says."""
    page = browser.get(path)
    assert page.status_code == 200
    fields["csrfmiddlewaretoken"] = browser.cookies["csrftoken"].value
    answer = browser.post(path.partition("?")[0], fields)
    return answer.status_code, answer.headers.get("Location", answer.content.decode())


def _shown(browser: Client) -> str:
    return str(browser.cookies["csrftoken"].value)


def test_somebody_signs_in_and_out(browser: Client, user: User) -> None:
    status, said = _send(browser, "/accounts/login/", username=user.username, password="wrong")
    assert (status, "errorlist" in said) == (200, True)
    assert _send(browser, "/accounts/login/", username=user.email, password=PASSWORD) == (
        302,
        "/chat/",
    )
    assert browser.get("/chat/").status_code == 200
    assert browser.get("/accounts/logout/").status_code == 200
    assert browser.get("/chat/").status_code == 200  # asking does not sign out
    assert _send(browser, "/accounts/logout/") == (302, "/")
    left = browser.post("/accounts/logout/", {"csrfmiddlewaretoken": _shown(browser)})
    assert left["Clear-Site-Data"] == '"cache", "storage"'
    assert browser.get("/chat/").headers["Location"] == "/accounts/login/?next=/chat/"


def test_a_sign_in_leads_to_no_other_house(browser: Client, user: User) -> None:
    browser.get("/accounts/login/")
    fields = {
        "username": user.username,
        "password": PASSWORD,
        "next": "https://elsewhere.example/",
        "csrfmiddlewaretoken": browser.cookies["csrftoken"].value,
    }
    assert browser.post("/accounts/login/", fields).headers["Location"] == "/chat/"


@pytest.mark.parametrize("email", ["ada@example.org", None])
def test_signing_up_says_the_same_to_everybody(
    browser: Client, user: User, email: str | None
) -> None:
    address = email or user.email
    status, said = _send(browser, "/accounts/register/", email=address, password=PASSWORD)
    assert (status, "Look into your mailbox" in said) == (200, True)
    assert Email.objects.get().to == address


@pytest.mark.parametrize(
    ("email", "password"), [("nonsense", PASSWORD), ("ada@example.org", "short")]
)
def test_a_poor_sign_up_writes_nothing(browser: Client, email: str, password: str) -> None:
    status, said = _send(browser, "/accounts/register/", email=email, password=password)
    assert (status, "errorlist" in said) == (400, True)
    assert not User.objects.exists()


@pytest.mark.parametrize("letter", ["sign_in", "reset"])
def test_a_link_is_ordered(browser: Client, letter: str) -> None:
    status, said = _send(browser, "/accounts/forgotten/", email="no@example.org", letter=letter)
    assert (status, "Look into your mailbox" in said) == (200, True)
    assert Job.objects.get().input == {"letter": letter, "email": "no@example.org"}


def test_a_link_signs_in_when_it_is_followed_and_confirmed(browser: Client, user: User) -> None:
    token = token_of(user, SIGN_IN)
    assert _send(browser, f"/accounts/link/?token={token}", token=token) == (302, "/chat/")
    status, said = _send(browser, "/accounts/link/", token=token)
    assert (status, "This link was used already." in said) == (400, True)


def test_a_password_is_chosen_by_a_link(browser: Client, user: User) -> None:
    token, path = token_of(user, RESET), "/accounts/reset/"
    status, said = _send(browser, f"{path}?token={token}", token=token, password="short")
    assert (status, "errorlist" in said) == (400, True)
    assert _send(browser, path, token=token, password=NEW) == (302, "/accounts/login/")
    status, said = _send(browser, path, token=token, password=NEW)
    assert (status, "This link was used already." in said) == (400, True)
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_a_profile_is_changed(browser: Client, user: User) -> None:
    browser.force_login(user)
    fields = {"first_name": "Ada", "bio": "<b>Counts</b>", "is_staff": "true", "email": "x@y.zz"}
    assert _send(browser, "/accounts/profile/", **fields) == (302, "/accounts/profile/")
    page = browser.get("/accounts/profile/").content.decode()
    assert "&lt;b&gt;Counts&lt;/b&gt;" in page
    before = user.email
    user.refresh_from_db()
    assert (user.first_name, user.is_staff, user.email) == ("Ada", False, before)


@pytest.mark.parametrize("path", ["login", "register", "forgotten", "link", "reset"])
def test_a_form_without_its_token_is_refused(browser: Client, path: str) -> None:
    assert browser.post(f"/accounts/{path}/", {"email": "a@b.cd"}).status_code == 403
