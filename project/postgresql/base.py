"""A connection that was heard of just now and has said nothing since is not asked again."""

from __future__ import annotations

import select
from time import monotonic
from typing import Any

from django.db.backends.postgresql import base
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

# Seconds. A server that vanished leaves its line silent, too: beyond this it is asked.
TRUSTED_SECONDS = 2.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but for how it finds out that a connection can be used."""

    # The monotonic time at which this connection was opened or answered a check.
    _heard_at: float

    def get_new_connection(self, conn_params: Any) -> Any:
        """Open a connection, which needs no check for now."""
        connection = super().get_new_connection(conn_params)
        self._heard_at = monotonic()
        return connection

    def is_usable(self) -> bool:
        """Tell whether the connection works: a round trip, unless that is plain without one."""
        if self._is_plainly_usable():
            return True
        asked_at = monotonic()
        if not super().is_usable():
            return False
        self._heard_at = asked_at
        return True

    def _is_plainly_usable(self) -> bool:
        if self.connection is None or self.errors_occurred:
            return False
        if monotonic() - self._heard_at >= TRUSTED_SECONDS:
            return False
        # A connection that is known to be closed or broken is not idle, and may have no socket.
        if self.connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            return False
        # A server says nothing unasked until it ends the session: then an error, and the end of
        # the stream. That end is seen here even if TLS or libpq has read the error already.
        # Unlike select(), poll() takes sockets of any number.
        line = select.poll()
        line.register(self.connection.fileno(), select.POLLIN)
        return not line.poll(0)
