"""Failures on the way, what is sent again, and connections that belong to a client: the tests of retry/ and pool/, by clients that
are intercepted."""

from helpers_intercepted_wire import _wire_origins, http_origin, keepwarm, origin, wire, wire_ca  # noqa: F401
from test_pool_bound_auth import *  # noqa: F403
from test_pool_idle_events import *  # noqa: F403
from test_retry_408 import *  # noqa: F403
from test_retry_stale import *  # noqa: F403

# The server is reached when CONNECT is answered: a connection that then ends is no fresh one, and a GET is sent again.
del test_a_fresh_connection_that_is_closed_is_502_and_one_attempt  # noqa: F821
# These need a client that makes no handshake, since the daemon stands still.
del test_a_close_that_has_come_is_seen_before_a_request_is_sent  # noqa: F821
del test_bytes_that_have_come_are_seen_before_a_request_is_sent  # noqa: F821
# The parent's part is a tunnel.
del test_behind_a_parent_it_is_said_only_if_the_parent_says_so  # noqa: F821
