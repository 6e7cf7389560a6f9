"""Takes the lists of refresh tokens out of the admin: whoever reads one can use it."""

from __future__ import annotations

from django.contrib import admin
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

admin.site.unregister(BlacklistedToken)
admin.site.unregister(OutstandingToken)
