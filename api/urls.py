"""The whole route table."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path, register_converter
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from api import (
    accounts,
    api_keys,
    artifacts,
    batches,
    chat,
    credits,  # noqa: A004 - the noun; the builtin of this name is for Python's prompt
    dead_letters,
    health,
    jobs,
    knowledge,
    mail,
    privacy,
    reports,
    scheduler,
    sessions,
    streams,
    tokens,
    webhooks,
)
from api.contracts.openai.errors import unknown_path as openai_unknown_path
from api.errors import unknown_path
from api.pages import accounts as account_pages
from api.pages import chat as chat_page
from api.pages import scheduler as scheduler_page
from api.pages import views as pages
from api.paths import IdConverter, both

register_converter(IdConverter, "id")

v1: list[URLPattern | URLResolver] = [
    path("accounts/", accounts.Accounts.as_view()),
    path("accounts/verify/", accounts.Verification.as_view(), name="account-verification"),
    path("accounts/me/", accounts.Me.as_view()),
    path("accounts/me/export/", privacy.Export.as_view()),
    path("accounts/me/password/", accounts.Password.as_view()),
    path("accounts/sign-in-links/", accounts.SignInLinks.as_view()),
    path("accounts/password-resets/", accounts.PasswordReset.as_view()),
    path("accounts/password-resets/confirm/", accounts.PasswordByLink.as_view()),
    path("tokens/", tokens.Tokens.as_view()),
    path("tokens/by-link/", tokens.TokensByLink.as_view()),
    path("tokens/refresh/", tokens.TokenRefresh.as_view()),
    path("tokens/revoke/", tokens.TokenRevoke.as_view()),
    path("session/", sessions.Session.as_view()),
    path("api-keys/", api_keys.ApiKeys.as_view()),
    path("api-keys/<id:api_key_id>/", api_keys.ApiKeyView.as_view()),
    path("turns/", chat.Turns.as_view()),
    path("batches/", batches.Batches.as_view()),
    path("batches/<id:batch_id>/", batches.BatchView.as_view(), name="batch"),
    path("batches/<id:batch_id>/turns/", batches.BatchTurns.as_view()),
    path("batches/<id:batch_id>/cancel/", batches.BatchCancel.as_view()),
    path("conversations/", chat.Conversations.as_view()),
    path("conversations/<id:conversation_id>/", chat.ConversationView.as_view()),
    path("conversations/<id:conversation_id>/messages/", chat.Messages.as_view()),
    path("jobs/", jobs.Jobs.as_view()),
    path("jobs/<id:job_id>/", jobs.JobView.as_view(), name="job"),
    path("jobs/<id:job_id>/events/", streams.JobEvents.as_view()),
    path("jobs/<id:job_id>/cancel/", jobs.JobCancel.as_view()),
    path("jobs/<id:job_id>/retry/", jobs.JobRetry.as_view()),
    path(
        "jobs/<id:job_id>/artifacts/<str:name>/", artifacts.ArtifactView.as_view(), name="artifact"
    ),
    path("dead-letters/", dead_letters.DeadLetters.as_view()),
    path("dead-letters/replay/", dead_letters.DeadLetterReplay.as_view()),
    path("knowledge/collections/", knowledge.Collections.as_view()),
    path("knowledge/collections/<id:collection_id>/", knowledge.CollectionView.as_view()),
    path("knowledge/documents/", knowledge.Documents.as_view()),
    path("knowledge/documents/<id:document_id>/", knowledge.DocumentView.as_view()),
    path("knowledge/search/", knowledge.Searches.as_view()),
    path("credits/", credits.Credits.as_view()),
    path("credits/entries/", credits.CreditEntries.as_view()),
    path("reports/", reports.Reports.as_view()),
    path("reports/<id:report_id>/", reports.ReportView.as_view()),
    path("emails/", mail.Emails.as_view()),
    path("webhooks/endpoints/", webhooks.Endpoints.as_view()),
    path("webhooks/endpoints/<id:endpoint_id>/", webhooks.EndpointView.as_view()),
    path("webhooks/endpoints/<id:endpoint_id>/rotate/", webhooks.EndpointRotate.as_view()),
    path("webhooks/endpoints/<id:endpoint_id>/ping/", webhooks.EndpointPing.as_view()),
    path("webhooks/deliveries/", webhooks.Deliveries.as_view()),
    path("webhooks/deliveries/<id:delivery_id>/", webhooks.DeliveryView.as_view()),
    path("webhooks/deliveries/<id:delivery_id>/replay/", webhooks.DeliveryReplay.as_view()),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.landing, name="landing"),
    path("outbox/", pages.outbox, name="outbox"),
    path("accounts/login/", account_pages.SignIn.as_view(), name="sign-in"),
    path("accounts/register/", account_pages.sign_up, name="sign-up"),
    path("accounts/logout/", account_pages.SignOut.as_view(), name="sign-out"),
    path("accounts/profile/", account_pages.profile, name="profile"),
    path("accounts/forgotten/", account_pages.forgotten, name="forgotten"),
    path("accounts/link/", account_pages.sign_in_by_link),
    path("accounts/reset/", account_pages.reset),
    path("chat/", chat_page.chat, name="chat"),
    path("chat-page", chat_page.chat),
    path("scheduler-admin", scheduler_page.scheduler),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/v1/", include(v1)),
    *both("api/admin/scheduler/status", scheduler.Status),
    *both("api/admin/scheduler/trigger", scheduler.Trigger),
    *both("api/admin/scheduler/statistics", scheduler.Statistics),
    path("", include("api.contracts.urls")),
    path("v1/", include("api.contracts.openai.urls")),
    re_path(r"^v1/", openai_unknown_path),
    # Not `handler404`: under DEBUG, which the embedded default runs with, Django never calls it.
    re_path(r"^api/", unknown_path),
]
