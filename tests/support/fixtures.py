"""The fixtures. All of them stand on `_daemons`, so that origins and clients are gone before a daemon must end."""

import pytest

from .daemon import Daemon
from .http_origin import HttpOrigin
from .local_ca import local_ca
from .origin import Origin, closed_port_socket
from .shared_daemons import SharedDaemons
from .stalls import note_waits, pytest_runtest_protocol, pytest_terminal_summary
from .wiring import wire

__all__ = ["_shared_daemons", "_daemons", "keepwarm", "origin", "http_origin", "closed_port", "local_ca", "wire",
           "pytest_runtest_makereport", "pytest_runtest_protocol", "pytest_terminal_summary"]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the daemon's log to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.failed = True
        note_waits(item)
        for number, daemon in enumerate(getattr(item, "daemons", [])):
            report.sections.append((f"log of daemon {number}", daemon.text_so_far()[-20000:]))


@pytest.fixture(scope="session")
def _shared_daemons():
    shared = SharedDaemons()
    yield shared
    shared.finish()


@pytest.fixture
def _daemons(request, _shared_daemons):
    daemons: list[Daemon] = []
    request.node.daemons = daemons
    yield daemons
    problems = []
    for daemon in daemons:
        if not getattr(request.node, "failed", False) and _shared_daemons.give(daemon):
            continue
        try:
            daemon.finish()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)


@pytest.fixture
def keepwarm(request, _daemons, _shared_daemons, tmp_path_factory):
    """Starts daemons: keepwarm(config, *args, **options of Daemon). A test that is marked shared_daemon may get one that has
    served others."""

    def start(config="", *args, **options) -> Daemon:
        shared = request.node.get_closest_marker("shared_daemon") is not None and not args and not options
        if shared and (daemon := _shared_daemons.take(config)):
            _daemons.append(daemon)
            return daemon
        wait = options.pop("wait", True)
        daemon = Daemon(tmp_path_factory.mktemp("keepwarm"), config, *args, wait=False, **options)
        daemon.shared = shared
        _daemons.append(daemon)
        if wait:
            daemon.wait_ready()
        return daemon

    return start


def _origins(kind):
    origins = []

    def start(*args, **options):
        made = kind(*args, **options)
        origins.append(made)
        return made

    yield start
    for made in origins:
        made.close()
    failures = [failure for made in origins for failure in made.failures]
    assert not failures, "an origin's handler failed:\n" + "\n".join(failures)


@pytest.fixture
def origin(_daemons):
    """Starts scripted origins: origin(handler=None, host="127.0.0.1", ...)."""
    yield from _origins(Origin)


@pytest.fixture
def http_origin(_daemons):
    """Starts origins that answer by routes: http_origin(routes=None, host="127.0.0.1", ...)."""
    yield from _origins(HttpOrigin)


@pytest.fixture
def closed_port():
    """closed_port(): a port of 127.0.0.1 that refuses connections."""
    sockets = []

    def reserve(host: str = "127.0.0.1") -> int:
        sockets.append(closed_port_socket(host))
        return sockets[-1].getsockname()[1]

    yield reserve
    for sock in sockets:
        sock.close()
