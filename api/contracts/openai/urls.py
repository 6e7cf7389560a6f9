"""The routes under /v1; they end without a slash."""

from __future__ import annotations

from django.urls import path

from api.contracts.openai import completions, conversations, embeddings, models, responses

urlpatterns = [
    path("models", models.Models.as_view()),
    path("models/<path:name>", models.ModelView.as_view()),
    path("chat/completions", completions.Completions.as_view()),
    path("embeddings", embeddings.Embeddings.as_view()),
    path("conversations", conversations.Conversations.as_view()),
    path("conversations/<str:conversation_id>", conversations.ConversationView.as_view()),
    path("conversations/<str:conversation_id>/items", conversations.Items.as_view()),
    path(
        "conversations/<str:conversation_id>/items/<str:item_id>", conversations.ItemView.as_view()
    ),
    path("responses", responses.Responses.as_view()),
    path("responses/<str:response_id>", responses.ResponseView.as_view()),
    path("responses/<str:response_id>/cancel", responses.ResponseCancel.as_view()),
    path("responses/<str:response_id>/input_items", responses.ResponseInputItems.as_view()),
]
