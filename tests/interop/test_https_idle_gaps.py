"""Idle gaps about the server's timeout once more, over TLS: see test_idle_gaps.py. The clients say http://, the daemon
upgrades."""

import pytest
from test_idle_gaps import HOSTS, LOG, ImpatientOrigin, check, visit_all

from support.daemon import merged
from support.tls import authority, trusting
from support.tls_server import ServerTls, TlsConnection

pytestmark = pytest.mark.slow


@pytest.fixture
def shown():
    """A certificate for all the hosts."""
    return authority().issue("all hosts", *(f"127.0.0.{number + 1}" for number in range(HOSTS)))


@pytest.fixture
def daemon(keepwarm):
    return keepwarm(merged(merged(trusting(), LOG), {"host": {"*": {"upgrade": True}}}))


def test_node_with_its_default_timeout(daemon, script, shown):
    server = script("origin.js", tls=(shown.chain, shown.key))
    seen = visit_all(daemon, server.port)
    check(daemon, seen, [(method, url.split("?")[1]) for method, url, _ in server.log_lines()])


@pytest.mark.parametrize("lapse", [TlsConnection.close, TlsConnection.cut, TlsConnection.reset],
                         ids=["close_notify", "FIN without close_notify", "RST"])
def test_an_origin_that_gives_no_hint_and_lapses_by(lapse, daemon, origin, shown):
    behaviour = ImpatientOrigin(lapse)
    server = origin(behaviour, host="0.0.0.0", tls=ServerTls(certificate=shown))
    check(daemon, visit_all(daemon, server.port), behaviour.arrived, behaviour.lapses)
    assert behaviour.lapses, "no connection was idle for long enough: the test shows nothing"
