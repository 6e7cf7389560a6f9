"""What every environment shares: Django's own settings."""

from __future__ import annotations

from pathlib import Path

import structlog
from corsheaders.defaults import default_headers

from project.settings import environment as env
from project.settings.product import *  # noqa: F403 - one settings namespace, in two rooms
from project.settings.product import DEBUG, HOME, PUBLIC_URL, TRUSTED_PROXIES
from project.settings.transport import *  # noqa: F403 - likewise

BASE_DIR = Path(__file__).resolve().parent.parent.parent

SECRET_KEY = env.secret_key("SECRET_KEY", HOME)
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")
# One `*` stands for every origin.
CORS_ALLOW_ALL_ORIGINS = env.items("CORS_ALLOWED_ORIGINS") == ["*"]
CORS_ALLOWED_ORIGINS = [] if CORS_ALLOW_ALL_ORIGINS else env.items("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_CREDENTIALS = env.flag("CORS_ALLOW_CREDENTIALS", False)
# What a page of another origin may send and read besides the usual.
CORS_ALLOW_HEADERS = [
    *default_headers,
    "cancel-after",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "prefer",
]
CORS_EXPOSE_HEADERS = [
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "chat"
UNFOLD = {"SITE_TITLE": "Turnpike", "SITE_HEADER": "Turnpike", "SITE_URL": "/"}

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "corsheaders",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_celery_results",
    "pipelines.core",
    "pipelines.accounts",
    "pipelines.api_keys",
    "pipelines.idempotency",
    "pipelines.jobs",
    "pipelines.credits",
    "pipelines.knowledge",
    "pipelines.mail",
    "pipelines.letters",
    "pipelines.reports",
    "pipelines.chat",
    "pipelines.embeddings",
    "pipelines.responses",
    "pipelines.webhooks",
    "pipelines.batches",
    "pipelines.privacy",
    "pipelines.scheduler",
    "celerybeat",
    "api",
]

MIDDLEWARE = [
    "api.headers.Headers",
    "api.tls.RefusesInTheClear",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "api.pages.refusals.Refusals",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

_SQLITE = {
    # A writer takes its lock at once: a deferred one that upgrades late fails instead of waiting.
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    # FULL: a commit that was answered survives a power cut, too.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;",
}
_IDLE_SECONDS = env.integer("DATABASE_IDLE_TRANSACTION_SECONDS", 30, minimum=1)
_POSTGRES = {
    # Whoever sleeps or loses its line inside a transaction must not hold its rows for hours.
    "options": f"-c idle_in_transaction_session_timeout={_IDLE_SECONDS}s",
    "connect_timeout": 5,
    # A server that vanished is noticed in seconds; milliseconds for what was sent and not heard of.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_database = env.database("DATABASE_URL", f"sqlite:///{HOME / 'turnpike.sqlite3'}")
_is_sqlite = _database["ENGINE"].endswith("sqlite3")
DATABASES = {
    "default": {
        **_database,
        "CONN_MAX_AGE": env.integer("DATABASE_CONN_MAX_AGE", 60),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**(_SQLITE if _is_sqlite else _POSTGRES), **_database.get("OPTIONS", {})},
    }
}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTHENTICATION_BACKENDS = [
    # First: it counts a try before the password is compared.
    "axes.backends.AxesStandaloneBackend",
    "pipelines.accounts.backends.UsernameOrEmailBackend",
]
AXES_HANDLER = "api.lockout.AccountHandler"
AXES_CLIENT_IP_CALLABLE = "api.addresses.client_address"
AXES_ENABLE_ADMIN = False  # ours is of one cast with the other pages
AXES_VERBOSE = False
# The handler answers by itself (W002), and counts by account and not by address (W006): ADR 23.
SILENCED_SYSTEM_CHECKS = ["axes.W002", "axes.W006"]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": "pipelines.accounts.passwords.HouseWords"},
    {"NAME": "pipelines.api_keys.passwords.EndsSignIns"},
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "api.auth.ApiKeyAuthentication",
        "api.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "api.auth.InScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["api.parsers.StrictJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["api.throttles.Throttle"],
    "DEFAULT_PAGINATION_CLASS": "api.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.errors.problem_response",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Turnpike",
    "DESCRIPTION": "Durable chat turns, documents, reports and e-mails, as jobs.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["api.schema.one_spelling"],
    "ENUM_NAME_OVERRIDES": {
        "JobState": "pipelines.jobs.states.JobState",
        "StepState": "pipelines.jobs.states.StepState",
    },
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
WHITENOISE_USE_FINDERS = DEBUG
MEDIA_ROOT = HOME / "artifacts"

X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
# Probes come from inside, in the clear, and are sent nowhere.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
# With no proxy in front, anybody could send this header.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None

_HAS_TLS = PUBLIC_URL.startswith("https://")
SECURE_COOKIES = env.flag("SECURE_COOKIES", _HAS_TLS and not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
# A page's script reads it, to show it beside the session: that is what it is for.
CSRF_COOKIE_HTTPONLY = False
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# A cookie of this name was set by this very host, over TLS: no neighbour's can stand in for it.
_COOKIE_PREFIX = "__Host-" if SECURE_COOKIES else ""
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = env.text("CSRF_COOKIE_NAME", f"{_COOKIE_PREFIX}csrftoken")

_JSON_LOGS = env.flag("LOG_JSON", not DEBUG)
_SHARED_PROCESSORS: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[*_SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _SHARED_PROCESSORS,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer()
                if _JSON_LOGS
                else structlog.dev.ConsoleRenderer(colors=False),
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "propagate": False},
        # Below WARNING these narrate every hop; a Job's page tells it better.
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        # Its lines hold whole addresses, and those of links hold tokens.
        "uvicorn.access": {"level": "WARNING"},
        "faiss.loader": {"level": "WARNING"},
    },
}
