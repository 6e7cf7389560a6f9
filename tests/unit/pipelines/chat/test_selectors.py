"""Reads of what was said, and of the replies."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from pipelines.accounts.models import User
from pipelines.chat.models import Conversation, Message, Role
from pipelines.chat.selectors import reply_to, said_by


def _conversation(owner: User, *lines: tuple[Role, str]) -> list[Message]:
    conversation = Conversation.objects.create(owner=owner)
    return [
        Message.objects.create(
            conversation=conversation, role=role, content=content, position=position
        )
        for position, (role, content) in enumerate(lines)
    ]


@pytest.fixture
def owner(db: None) -> User:
    """Somebody who was told to wait twice: in the middle, and at the end."""
    ada = User.objects.create(username="ada", email="ada@example.com")
    bob = User.objects.create(username="bob", email="bob@example.com")
    _conversation(ada, (Role.SYSTEM, "Be brief."), (Role.USER, "One"), (Role.ASSISTANT, "1"))
    _conversation(bob, (Role.USER, "Mine"), (Role.ASSISTANT, "Yours"))
    _conversation(ada, (Role.USER, "Two"), (Role.USER, "Three"), (Role.ASSISTANT, "3"))
    _conversation(ada, (Role.USER, "Four"))
    return ada


def test_what_somebody_said_is_read_with_its_replies(
    owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        said = said_by(owner, 10)
    assert [(message.content, reply and reply.content) for message, reply in said] == [
        ("One", "1"),
        ("Two", None),
        ("Three", "3"),
        ("Four", None),
    ]
    assert said_by(owner, 2) == said[2:]


def test_a_reply_stands_right_after(owner: User) -> None:
    found = {
        message.content: reply and reply.content
        for message in Message.objects.filter(conversation__owner=owner, role=Role.USER)
        for reply in [reply_to(message)]
    }
    assert found == {"One": "1", "Two": None, "Three": "3", "Four": None}
