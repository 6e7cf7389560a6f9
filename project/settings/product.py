"""What Turnpike itself can be told: limits, providers, policies, each with its default."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from project.settings import environment as env
from project.settings.providers import provider_table

HOME = Path(env.text("TURNPIKE_HOME", "var")).resolve()
DEBUG = env.flag("DEBUG", False)
PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)
PUBLIC_URL = env.text("PUBLIC_URL", f"http://127.0.0.1:{PORT}").rstrip("/")

# Requests that one front door works on at a time; each holds a thread and a database connection.
WEB_THREADS = env.integer("WEB_THREADS", 16, minimum=1, maximum=1024)

# --- how a job runs (seconds) -------------------------------------------------------------
# A killed worker's job goes on within 15 s: its lease, a round of the relay, the pause before the
# second attempt (at most a second), another round.
LEASE_SECONDS = env.number("LEASE_SECONDS", 10.0, minimum=1.0)
HEARTBEAT_SECONDS = env.number("HEARTBEAT_SECONDS", 3.0, minimum=0.2)
# How often a worker looks whether a job that it works on was cancelled.
CANCEL_POLL_SECONDS = env.number("CANCEL_POLL_SECONDS", 0.5, minimum=0.05)
RELAY_INTERVAL = env.number("RELAY_INTERVAL", 1.0, minimum=0.05)
RELAY_BATCH = env.integer("RELAY_BATCH", 500, minimum=1)
REPUBLISH_AFTER = env.number("REPUBLISH_AFTER", 10.0, minimum=0.1)
# How many times a step may be told by a provider to come back later (429) without using its tries.
RATE_LIMITS_FORGIVEN = env.integer("RATE_LIMITS_FORGIVEN", 100)
# How far the clocks of two machines may be apart before a message seems to come too early.
CLOCK_SKEW_SECONDS = env.number("CLOCK_SKEW_SECONDS", 2.0)
# Jobs of one owner that are under way at once; the others wait, so that nobody starves the rest.
OWNER_WINDOW = env.integer("OWNER_WINDOW", 16, minimum=1)
# The same for bulk work (a priority below 0), of one owner and of all together.
OWNER_BULK_WINDOW = env.integer("OWNER_BULK_WINDOW", 2, minimum=1)
BULK_WINDOW = env.integer("BULK_WINDOW", 4, minimum=1)
# The hot end of the jobs' logs, in Redis: what grows is told as often as this, and again so long
# after Redis could not be reached; a text is kept so long after its last growth, or its end.
EVENTS_FLUSH_SECONDS = env.number("EVENTS_FLUSH_SECONDS", 0.03, minimum=0.001)
EVENTS_RETRY_SECONDS = env.number("EVENTS_RETRY_SECONDS", 0.5, minimum=0.01)
EVENTS_KEEP_SECONDS = env.integer("EVENTS_KEEP_SECONDS", 3_600, minimum=1)
EVENTS_FADE_SECONDS = env.integer("EVENTS_FADE_SECONDS", 60, minimum=1)
EVENTS_KEY_PREFIX = env.text("BROKER_KEY_PREFIX", "turnpike:") + "events:"
# How often the followers' logs are compared with the database, which no message has to ask for.
EVENTS_POLL_SECONDS = env.number("EVENTS_POLL_SECONDS", 1.0, minimum=0.05)
EVENTS_KEEPALIVE_SECONDS = env.number("EVENTS_KEEPALIVE_SECONDS", 15.0, minimum=0.05)
# New turns are refused (503) while the oldest ready step is older than this; 0 never refuses.
BACKPRESSURE_SECONDS = env.number("BACKPRESSURE_SECONDS", 300.0)
# How long a front door goes by what it saw of the queues and their workers.
GLANCE_SECONDS = env.number("GLANCE_SECONDS", 1.0)
HARD_TIME_LIMIT = env.integer("HARD_TIME_LIMIT", 900, minimum=10)
NODE_SECONDS = env.number("NODE_SECONDS", 3.0, minimum=0.2)
NODE_LOST_AFTER = env.number("NODE_LOST_AFTER", 15.0, minimum=1.0)

# --- limits -------------------------------------------------------------------------------
MESSAGE_MAX_CHARACTERS = env.integer("MESSAGE_MAX_CHARACTERS", 32_000, minimum=1)
UPLOAD_MAX_BYTES = env.integer("UPLOAD_MAX_BYTES", 10 * 2**20, minimum=1)
REPORT_MAX_CHARACTERS = env.integer("REPORT_MAX_CHARACTERS", 200_000, minimum=1)
METADATA_MAX_BYTES = env.integer("METADATA_MAX_BYTES", 16_384, minimum=2)
SEARCH_MAX_RESULTS = env.integer("SEARCH_MAX_RESULTS", 50, minimum=1)
# Clients that wait for or follow a job on one front door, and the seconds that each may wait.
FOLLOWERS_MAX = env.integer("FOLLOWERS_MAX", 10_000, minimum=1)
WAIT_MAX_SECONDS = env.integer("WAIT_MAX_SECONDS", 60, minimum=0)
# How long a client of /v1 may wait for a response that it did not ask for in the background.
OPENAI_WAIT_SECONDS = env.integer("OPENAI_WAIT_SECONDS", 600, minimum=1)
# How long a route of one of the five contracts waits for a reply, and how much one of them lists.
CONTRACT_WAIT_SECONDS = env.integer("CONTRACT_WAIT_SECONDS", 30)
CONTRACT_LIST_MAX = env.integer("CONTRACT_LIST_MAX", 1_000, minimum=1)
API_KEYS_MAX = env.integer("API_KEYS_MAX", 50, minimum=1)
PAGE_SIZE = env.integer("PAGE_SIZE", 50, minimum=1)
PAGE_SIZE_MAX = env.integer("PAGE_SIZE_MAX", 200, minimum=1)
JSON_MAX_DEPTH = env.integer("JSON_MAX_DEPTH", 32, minimum=1, maximum=200)
DATA_UPLOAD_MAX_MEMORY_SIZE = env.integer("BODY_MAX_BYTES", 2 * 2**20, minimum=1024)
# Fields of a form or a query, and files of a form.
DATA_UPLOAD_MAX_NUMBER_FIELDS = env.integer("FORM_MAX_FIELDS", 200, minimum=1)
DATA_UPLOAD_MAX_NUMBER_FILES = env.integer("FORM_MAX_FILES", 10, minimum=1)
# Of a request's head: its headers, how many and how long together, and its address with the query.
HEADERS_MAX = env.integer("HEADERS_MAX", 100, minimum=1)
HEADERS_MAX_BYTES = env.integer("HEADERS_MAX_BYTES", 32_768, minimum=1024)
ADDRESS_MAX_BYTES = env.integer("ADDRESS_MAX_BYTES", 8_192, minimum=256)

# --- guards -------------------------------------------------------------------------------
# Proxies in front, each of which adds the address that it hears to `X-Forwarded-For` and sets
# `X-Forwarded-Proto`; with 0 neither header is believed.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, maximum=10)
# Requests of one account, and of one address without one. `off` switches a throttle off.
THROTTLE_USER = env.rate("THROTTLE_USER", "1200/minute")
THROTTLE_ADDRESS = env.rate("THROTTLE_ADDRESS", "300/minute")
# Passwords compared: for one address, and for one typed name.
THROTTLE_SIGN_IN = env.rate("THROTTLE_SIGN_IN", "30/minute")
THROTTLE_SIGN_IN_NAME = env.rate("THROTTLE_SIGN_IN_NAME", "20/minute")
# Accounts made from one address, where an office or a school may sit, and e-mails ordered.
THROTTLE_REGISTER = env.rate("THROTTLE_REGISTER", "60/hour")
THROTTLE_MAIL = env.rate("THROTTLE_MAIL", "5/hour")
# Redis must count within this, else a front door goes by its own counters for a while (seconds).
THROTTLE_TIMEOUT = env.number("THROTTLE_TIMEOUT", 0.1, minimum=0.01, maximum=10.0)
THROTTLE_PAUSE_SECONDS = env.number("THROTTLE_PAUSE_SECONDS", 5.0, minimum=0.1)
THROTTLE_KEY_PREFIX = env.text("BROKER_KEY_PREFIX", "turnpike:") + "throttles"
# So many wrong passwords in a row, and an account takes none for so long; a link still lets in.
AXES_FAILURE_LIMIT = env.integer("SIGN_IN_FAILURES", 10, minimum=1)
AXES_COOLOFF_TIME = timedelta(seconds=env.integer("SIGN_IN_LOCK_SECONDS", 900, minimum=1))
# Words that everybody here knows: a password takes eight characters besides them.
PASSWORD_WORDS = env.items("PASSWORD_WORDS", ["turnpike"])

# --- what a client may ask of its requests ------------------------------------------------
# For how long a creating request that is sent again gets its first answer again.
IDEMPOTENCY_HOURS = env.integer("IDEMPOTENCY_HOURS", 24, minimum=1)
IDEMPOTENCY_KEY_MAX_CHARACTERS = env.integer(
    "IDEMPOTENCY_KEY_MAX_CHARACTERS", 255, minimum=1, maximum=255
)
# How soon and how late a client may want a job ended that is not done by then.
CANCEL_AFTER_MIN_SECONDS = env.integer("CANCEL_AFTER_MIN_SECONDS", 5, minimum=1)
CANCEL_AFTER_MAX_SECONDS = env.integer("CANCEL_AFTER_MAX_SECONDS", 7 * 86_400, minimum=1)
# Failed jobs that one request or one command may run again.
REPLAY_MAX_JOBS = env.integer("REPLAY_MAX_JOBS", 200, minimum=1, maximum=10_000)

# --- chat ---------------------------------------------------------------------------------
CHAT_INSTRUCTIONS = env.text(
    "CHAT_INSTRUCTIONS",
    "You are a helpful assistant. Answer from the numbered passages where they help, cite them "
    "as [1], and say so when they do not contain the answer.",
)
# What the threads of the roadmap contract begin with.
ROADMAP_INSTRUCTIONS = env.text(
    "ROADMAP_INSTRUCTIONS",
    "You advise a company on its use of AI. Ask about its aims, its data and its people; when you "
    "know enough, or are asked to, write the finalized AI roadmap and call it that.",
)
CONTEXT_MAX_MESSAGES = env.integer("CONTEXT_MAX_MESSAGES", 40, minimum=1)
CONTEXT_MAX_CHARACTERS = env.integer("CONTEXT_MAX_CHARACTERS", 48_000, minimum=1)
# Of what is said at once under /v1, which a model is given to read whole.
INPUT_MAX_ITEMS = env.integer("INPUT_MAX_ITEMS", 1_000, minimum=1)
INPUT_MAX_CHARACTERS = env.integer("INPUT_MAX_CHARACTERS", 400_000, minimum=1)
REPLY_MAX_TOKENS = env.integer("REPLY_MAX_TOKENS", 4_096, minimum=1)
REPORT_TRIGGERS = env.items("REPORT_TRIGGERS", ["finalized AI roadmap"])

# --- credits (whole numbers of the smallest unit that is sold, such as a hundredth of a cent) ---
# off: nothing is charged; flat: a price for each turn; usage: by the tokens read and written.
CREDITS_MODE = env.text("CREDITS_MODE", "flat", choices=["off", "flat", "usage"])
# Who pays: those who registered by the token contract, or everyone.
CREDITS_FOR = env.text("CREDITS_FOR", "metered", choices=["metered", "everyone"])
CREDITS_PER_TURN = env.integer("CREDITS_PER_TURN", 100, maximum=10**9)
CREDITS_PER_1K_INPUT_TOKENS = env.integer("CREDITS_PER_1K_INPUT_TOKENS", 1, maximum=10**9)
CREDITS_PER_1K_OUTPUT_TOKENS = env.integer("CREDITS_PER_1K_OUTPUT_TOKENS", 4, maximum=10**9)
# What an account begins with.
CREDITS_GRANT = env.integer("CREDITS_GRANT", 4_000, maximum=10**12)

# --- providers ----------------------------------------------------------------------------
SANDBOX_PORT = env.integer("SANDBOX_PORT", PORT + 1, minimum=1, maximum=65535)
SANDBOX_URL = env.text("SANDBOX_URL", f"http://127.0.0.1:{SANDBOX_PORT}/v1")
PROVIDERS = provider_table(SANDBOX_URL)
DEFAULT_PROVIDER = env.text("DEFAULT_PROVIDER", next(iter(PROVIDERS)), choices=list(PROVIDERS))
# How often a generation notes how far it is: its tokens, and the text that it has so far.
PROGRESS_SECONDS = env.number("PROGRESS_SECONDS", 0.5, minimum=0.05)
# So many failures in a row, and a provider is let be for so many seconds; 0 failures never do it.
BREAKER_FAILURES = env.integer("BREAKER_FAILURES", 5)
BREAKER_SECONDS = env.number("BREAKER_SECONDS", 30.0, minimum=0.1)
# Whether the next provider answers meanwhile the turns that named neither provider nor model.
PROVIDER_FAILOVER = env.flag("PROVIDER_FAILOVER", True)
# A limit's worth of this many seconds may be used at once, and a reserved moment so many late:
# more of either smooths less, and takes from the steady flow, as no minute may exceed the limit.
GOVERNOR_BURST_SECONDS = env.number("GOVERNOR_BURST_SECONDS", 5.0, maximum=60.0)
GOVERNOR_SLACK_SECONDS = env.number("GOVERNOR_SLACK_SECONDS", 5.0, minimum=0.1, maximum=60.0)
# How far ahead moments are reserved; a turn beyond comes back to ask again.
GOVERNOR_HORIZON_SECONDS = env.number("GOVERNOR_HORIZON_SECONDS", 60.0, minimum=1.0)
# What an answer is reckoned at before it is known.
GOVERNOR_REPLY_TOKENS = env.integer("GOVERNOR_REPLY_TOKENS", 500)
# Redis must answer the governor within this, else turns go through ungoverned for a while.
GOVERNOR_TIMEOUT = env.number("GOVERNOR_TIMEOUT", 0.25, minimum=0.01, maximum=10.0)
# Beside the broker's keys, under the same name.
GOVERNOR_KEY_PREFIX = env.text("BROKER_KEY_PREFIX", "turnpike:") + "governor:"

# --- knowledge ----------------------------------------------------------------------------
EMBEDDING_MODEL = env.text("EMBEDDING_MODEL", "packaged")
EMBEDDING_BATCH = env.integer("EMBEDDING_BATCH", 64, minimum=1)
# Of one request for embeddings.
EMBEDDINGS_MAX_TEXTS = env.integer("EMBEDDINGS_MAX_TEXTS", 2_048, minimum=1)
EMBEDDINGS_MAX_CHARACTERS = env.integer("EMBEDDINGS_MAX_CHARACTERS", 1_000_000, minimum=1)
EMBEDDING_THREADS = env.integer("EMBEDDING_THREADS", 0)
RETRIEVE_PASSAGES = env.integer("RETRIEVE_PASSAGES", 5, minimum=1)
RETRIEVE_MIN_SCORE = env.number("RETRIEVE_MIN_SCORE", 0.25, maximum=1.0)
INDEX_DELTA_MAX = env.integer("INDEX_DELTA_MAX", 256, minimum=0)
INDEX_EXACT_MAX = env.integer("INDEX_EXACT_MAX", 50_000, minimum=1)
# A file that was replaced stays this long for searches that opened its row just before.
INDEX_KEEP_SECONDS = env.integer("INDEX_KEEP_SECONDS", 600)
INDEX_ROOT = HOME / "indexes"

# --- mail ---------------------------------------------------------------------------------
MAILERSEND_API_KEY = env.text("MAILERSEND_API_KEY", "")
MAILERSEND_URL = env.text("MAILERSEND_URL", "")
MAILERSEND_DOMAIN_ID = env.text("MAILERSEND_DOMAIN_ID", "")
MAIL_TRANSPORT = env.text(
    "MAIL_TRANSPORT",
    "mailersend" if MAILERSEND_API_KEY else "files",
    choices=["mailersend", "smtp", "files"],
)
FROM_EMAIL = env.text("FROM_EMAIL", "turnpike@localhost.localdomain")
FROM_NAME = env.text("FROM_NAME", "Turnpike")
SMTP_HOST = env.text("EMAIL_HOST", "localhost")
SMTP_PORT = env.integer("EMAIL_PORT", 587, minimum=1, maximum=65535)
SMTP_USER = env.text("EMAIL_HOST_USER", "")
SMTP_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
SMTP_SECURITY = env.text("EMAIL_SECURITY", "starttls", choices=["starttls", "ssl", "none"])
MAIL_TIMEOUT = env.number("MAIL_TIMEOUT", 30.0, minimum=0.1)
OUTBOX_ROOT = HOME / "outbox"

# --- batches ------------------------------------------------------------------------------
BATCH_MAX_TURNS = env.integer("BATCH_MAX_TURNS", 10_000, minimum=1)
BATCH_MAX_BYTES = env.integer("BATCH_MAX_BYTES", 32 * 2**20, minimum=1024)
# Turns of one batch that are accepted and have not ended, and the seconds until more are.
BATCH_AHEAD = env.integer("BATCH_AHEAD", 200, minimum=1)
BATCH_PAUSE = env.number("BATCH_PAUSE", 2.0, minimum=0.1)

# --- webhooks -----------------------------------------------------------------------------
WEBHOOK_ENDPOINTS_MAX = env.integer("WEBHOOK_ENDPOINTS_MAX", 20, minimum=1)
# For how long a secret that was rotated signs beside the new one.
WEBHOOK_ROTATION_HOURS = env.integer("WEBHOOK_ROTATION_HOURS", 24)
# Addresses without TLS, and those that no public network leads to: for trying things out at home.
WEBHOOK_ALLOW_HTTP = env.flag("WEBHOOK_ALLOW_HTTP", False)
WEBHOOK_ALLOW_PRIVATE = env.flag("WEBHOOK_ALLOW_PRIVATE", False)
# Seconds: to connect, between two bytes of the answer, and for all of it.
WEBHOOK_CONNECT_TIMEOUT = env.number("WEBHOOK_CONNECT_TIMEOUT", 5.0, minimum=0.1)
WEBHOOK_READ_TIMEOUT = env.number("WEBHOOK_READ_TIMEOUT", 15.0, minimum=0.1)
WEBHOOK_TOTAL_TIMEOUT = env.number("WEBHOOK_TOTAL_TIMEOUT", 30.0, minimum=0.1)

# --- retention (days; 0 keeps for ever) ---------------------------------------------------
CONVERSATION_DAYS = env.integer("CONVERSATION_DAYS", 30)
UNVERIFIED_USER_DAYS = env.integer("UNVERIFIED_USER_DAYS", 7)
JOB_DAYS = env.integer("JOB_DAYS", 30)
# What an account has exported of itself.
EXPORT_DAYS = env.integer("EXPORT_DAYS", 3)
RETENTION_BATCH = env.integer("RETENTION_BATCH", 500, minimum=1)

# --- tokens -------------------------------------------------------------------------------
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=env.integer("ACCESS_TOKEN_SECONDS", 900)),
    "REFRESH_TOKEN_LIFETIME": timedelta(seconds=env.integer("REFRESH_TOKEN_SECONDS", 86_400)),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    # A changed password ends every token that was given out before.
    "CHECK_REVOKE_TOKEN": True,
    "UPDATE_LAST_LOGIN": True,
}
# For how long a link works that was sent to verify an address, to sign in, to choose a password.
EMAIL_LINK_SECONDS = env.integer("EMAIL_LINK_SECONDS", 3 * 86_400, minimum=60)
SIGN_IN_LINK_SECONDS = env.integer("SIGN_IN_LINK_SECONDS", 600, minimum=60)
RESET_LINK_SECONDS = env.integer("RESET_LINK_SECONDS", 3_600, minimum=60)
# What a client of `Authorization: Token …` gets when it signs in: how many at once, for how long.
SIGN_IN_TOKENS_MAX = env.integer("SIGN_IN_TOKENS_MAX", 20, minimum=1)
SIGN_IN_TOKEN_DAYS = env.integer("SIGN_IN_TOKEN_DAYS", 30, minimum=1)
