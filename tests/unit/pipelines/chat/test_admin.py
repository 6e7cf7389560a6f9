"""Staff delete a conversation as its owner would."""

from __future__ import annotations

import pytest
from django.test import Client

from pipelines.chat.models import Conversation, Message
from pipelines.chat.services import turn_accept
from pipelines.jobs.models import Job
from tests.factories import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("way", ["page", "list"])
def test_deleting_a_conversation_cancels_its_turn(way: str) -> None:
    """Given a turn under way, either way of deleting cancels it."""
    client = Client()
    client.force_login(StaffFactory.create())
    turn = turn_accept(owner=UserFactory.create(), message="Hello")
    place = "/admin/chat/conversation/"
    data = {"post": "yes"}
    if way == "page":
        place += f"{turn.conversation.pk}/delete/"
    else:
        data |= {"action": "delete_selected", "_selected_action": str(turn.conversation.pk)}
    assert client.post(place, data).status_code == 302
    assert (Conversation.objects.count(), Message.objects.count()) == (0, 0)
    assert Job.objects.get().state == "cancelled"
