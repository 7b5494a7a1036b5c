"""Tests with real clients, real servers, load and chaos: what the daemon is for, as its users meet it.

They stand on the harness of tests/support (see its __init__.py); servers.py adds nginx, Apache httpd and servers for Node.js
and Python, each with a configuration, folder and port of its own. Tests marked `slow` wait for real idle timeouts; they
start first.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
pytest.register_assert_rewrite("support", "servers", "intercepting")

import servers  # noqa: E402
from support import stalls  # noqa: E402
from support.fixtures import *  # noqa: E402,F401,F403
from support.waiting import scaled  # noqa: E402


def pytest_configure(config):
    stalls.register(config)
    config.addinivalue_line("markers", "slow: waits for real time to pass")


def pytest_collection_modifyitems(items):
    """Slow tests first, each paired with a quick one: xdist hands out the first tests in pairs, and so no worker gets two
    slow ones while another has none."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = [item for item in items if not item.get_closest_marker("slow")]
    paired = [item for pair in zip(slow, quick) for item in pair]
    items[:] = paired + slow[len(quick):] + quick[len(slow):]


@pytest.fixture
def command():
    """command(*arguments, env={}, ...): runs a program to its end; its output. A failure fails the test."""

    def run(*arguments, env=None, limit=60.0, check=True, **options) -> subprocess.CompletedProcess:
        done = subprocess.run([str(argument) for argument in arguments], env={**servers.plain_environment(), **(env or {})},
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=scaled(limit), **options)
        if check:
            assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stderr.decode()}"
        return done

    return run


@pytest.fixture
def _servers(_daemons):
    started = []
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def nginx(_servers):
    """nginx(locations="", tls=None): an nginx with its default settings; see servers.Nginx."""

    def start(*arguments, **options):
        server = servers.Nginx(*arguments, **options)
        _servers.append(server)
        return server

    return start


@pytest.fixture
def apache(_servers):
    """apache(extra=..., modules=(), files={}): an Apache httpd with its default settings; see servers.Apache."""

    def start(*arguments, **options):
        server = servers.Apache(*arguments, **options)
        _servers.append(server)
        return server

    return start


@pytest.fixture
def gunicorn(_servers):
    """gunicorn(keep_alive=2): a gunicorn with threads; see servers.Gunicorn."""

    def start(*arguments, **options):
        server = servers.Gunicorn(*arguments, **options)
        _servers.append(server)
        return server

    return start


@pytest.fixture
def script(_servers):
    """script(name, tls=()): a server of programs/; see servers.Script."""

    def start(*arguments, **options):
        server = servers.Script(*arguments, **options)
        _servers.append(server)
        return server

    return start


@pytest.fixture
def certificate(tmp_path, command):
    """(certificate, key) files of a server that is localhost and 127.0.0.1, signed by itself."""
    key, certificate = tmp_path / "server.key", tmp_path / "server.crt"
    command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate)
    os.chmod(key, 0o644)
    return certificate, key
