"""The tests: quick hashing, an in-memory broker, and nothing kept between runs."""

import os
import tempfile

os.environ.setdefault("TURNPIKE_HOME", tempfile.mkdtemp(prefix="turnpike-test-"))
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 40)
os.environ.setdefault("BROKER_URL", "memory://")
os.environ.setdefault("LOG_LEVEL", "WARNING")

from project.settings.base import *  # noqa: F403 - the defaults above must come first

# What a turn costs is said by the tests that are about it.
CREDITS_MODE, CREDITS_FOR, CREDITS_PER_TURN, CREDITS_GRANT = "off", "everyone", 1, 0
# A test sees what it has just done.
GLANCE_SECONDS = 0.0
# Those that are about a throttle set it.
THROTTLE_USER = THROTTLE_ADDRESS = THROTTLE_SIGN_IN = THROTTLE_SIGN_IN_NAME = None
THROTTLE_REGISTER = THROTTLE_MAIL = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
