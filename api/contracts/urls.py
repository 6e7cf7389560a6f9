"""The paths of the five contracts; each answers with and without its last slash.

One path means two things by its slash: `/api/chat` is the RAG contract's, `/api/chat/` the token
and the roadmap contract's.
"""

from __future__ import annotations

from django.urls import path

from api.contracts import conversations, rag, roadmap, sessions, shared, tokens
from api.paths import both

urlpatterns = [
    path("api/chat", rag.Chat.as_view()),
    path("api/chat/", shared.Chat.as_view()),
    *both("api/register", shared.Register),
    *both("api/threads", roadmap.Threads),
    *both("api/login", tokens.Login),
    *both("api/tokens", tokens.Tokens),
    *both("api/auth/signup", rag.SignUp),
    *both("api/auth/login", rag.Login),
    *both("api/auth/profile", rag.Profile),
    *both("api/auth/verify-email/<str:token>", rag.VerifyEmail),
    *both("api/chat-history", rag.History),
    *both("api/conversations", rag.Conversations),
    *both("api/conversations/<id:conversation_id>", rag.ConversationView),
    *both("api/conversations/<id:conversation_id>/delete", rag.ConversationDelete),
    *both("api/conversations/<id:conversation_id>/rename", rag.ConversationRename),
    *both("api/v1/accounts/register", sessions.Register),
    *both("api/v1/accounts/login", sessions.Login),
    *both("api/v1/accounts/logout", sessions.Logout),
    *both("api/v1/chat", sessions.Chat),
    *both("api/v1/chat/chats-history", sessions.Sessions),
    *both("api/v1/chat/chats/<id:session_id>", sessions.SessionView),
    *both("api/csrf", conversations.Csrf),
    *both("api/accounts/register", conversations.Register),
    *both("api/accounts/login", conversations.Login),
    *both("api/accounts/logout", conversations.Logout),
    *both("api/accounts/profile", conversations.Profile),
    *both("api/chat/conversations", conversations.Conversations),
    *both("api/chat/conversations/<id:conversation_id>", conversations.ConversationView),
    *both("api/chat/conversations/<id:conversation_id>/message", conversations.Messages),
]
