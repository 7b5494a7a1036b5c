"""Tests of the built daemon, seen from outside: see tests/support/__init__.py for how they are written.

Each folder is one thing that the daemon does:

client/     the side of the clients: connections, limits, timeouts, listeners, our own answers
framing/    what is forwarded of a message, and what is refused
pool/       which upstream connection serves a request: reuse, order, limits, names, keep_warm
retry/      failures on the way and what is sent again
tls/        https upstream
parent/     through a parent proxy
tunnel/     CONNECT and Upgrade
intercept/  interception of HTTPS, and the local CA
lifecycle/  start, signals, reload, systemd, logs, the command probe
workers/    several workers (run under ThreadSanitizer too)

Helpers that several of them share lie here, as helpers_*.py.
"""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# The folders too: some tests are run again by a file of another folder, over TLS for example.
sys.path[:0] = [str(HERE), str(HERE.parent), *(str(folder) for folder in HERE.iterdir() if folder.is_dir())]
pytest.register_assert_rewrite("support")

from support import stalls  # noqa: E402
from support.fixtures import *  # noqa: E402,F401,F403

# Their tests ask nothing of how a daemon begins, what it has learned, or what it costs: see support/shared_daemons.py.
SHARED = ("framing", "tls", "parent", "client", "test_tunnel_refusals.py", "test_upgrade.py")


def pytest_collection_modifyitems(items):
    for item in items:
        may_share = not {item.path.name, item.path.parent.name}.isdisjoint(SHARED)
        if may_share and not any(item.get_closest_marker(name) for name in ("own_daemon", "real_time")):
            item.add_marker("shared_daemon")


def pytest_configure(config):
    stalls.register(config)
    config.addinivalue_line("markers", "shared_daemon: may be served by a daemon that has served other tests")
    config.addinivalue_line("markers", "own_daemon: may not, though its folder's tests may")
