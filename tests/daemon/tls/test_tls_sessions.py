"""TLS sessions are kept by us for each pool key and resumed when its connections have lapsed (RFC 8446 §2.2, RFC 5077)."""

import pytest
from helpers_pool import begin, exchange, finish, pooled, serve
from helpers_tls import VERSIONS, both_versions, tls_keys, together
from support.tls import certificate, client_certificate, trusting
from support.tls_server import TLS12, ServerTls


def lapse(daemon, upstream) -> None:
    """The origin closes the idle connection; returns when the daemon knows."""
    since = len(daemon.log)
    upstream.close()
    daemon.wait_log(r"upstream \S+ closed", since=since)


def once(daemon, server) -> bool:
    """A whole exchange on a new connection, which lapses behind it; whether it had resumed a session."""
    upstream = exchange(daemon, server)
    resumed = upstream.resumed
    lapse(daemon, upstream)
    return resumed


@both_versions
def test_after_a_connection_has_lapsed_the_next_one_resumes(keepwarm, origin, versions):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(versions=versions))
    assert [once(daemon, server) for _ in range(5)] == [False, True, True, True, True]


@both_versions
def test_sessions_of_a_name_are_resumed_too(keepwarm, origin, versions):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(versions=versions), name="localhost")
    assert [once(daemon, server) for _ in range(3)] == [False, True, True]
    assert server.connections[0].name == "localhost"


def test_a_ticket_that_came_late_is_used_too(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(tickets=0))
    assert not once(daemon, server)
    upstream = exchange(daemon, server)
    assert not upstream.resumed
    upstream.send_ticket()
    lapse(daemon, upstream)
    assert once(daemon, server)


def test_a_ticket_is_used_once(keepwarm, origin):
    """Of six connections that are opened at once at most two resume: that many tickets are kept."""
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(tickets=4))
    once(daemon, server)
    server.no_more_tickets()  # else the first of the six may bring one for the last
    clients = [begin(daemon, server, path=f"/{number}") for number in range(6)]
    upstreams = [server.accept() for _ in clients]
    assert 1 <= sum(upstream.resumed for upstream in upstreams) <= 2
    for upstream in upstreams:
        serve(upstream)
    for client in clients:
        finish(client)


@both_versions
def test_a_server_that_has_forgotten_the_session_gets_a_whole_handshake(keepwarm, origin, versions):
    tls = ServerTls(versions=versions)
    daemon, server = keepwarm(trusting()), origin(tls=tls)
    once(daemon, server)
    server.restart_tls(tls)
    assert [once(daemon, server) for _ in range(2)] == [False, True]


@both_versions
def test_a_server_whose_certificate_went_bad_is_refused_though_a_session_was_kept(keepwarm, origin, versions):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(versions=versions))
    once(daemon, server)
    server.restart_tls(ServerTls(certificate=certificate("expired"), versions=versions))
    assert daemon.get(server.url()).status == 502
    server.accept_failed()


@pytest.mark.parametrize("first,second", [list(VERSIONS.values()), list(VERSIONS.values())[::-1]], ids=["up", "down"])
def test_a_server_may_change_its_version(keepwarm, origin, first, second):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(versions=first))
    once(daemon, server)
    server.restart_tls(ServerTls(versions=second))
    assert [once(daemon, server) for _ in range(2)] == [False, True]


def test_a_session_of_one_host_is_not_shown_to_another(keepwarm, origin):
    """Both names are the same server, which would take it."""
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(versions=(TLS12, TLS12)))
    seen = []
    for server.name in ("localhost", "127.0.0.1", "localhost", "127.0.0.1"):
        seen.append(once(daemon, server))
    assert seen == [False, False, True, True]


@both_versions
def test_a_client_certificate_stays_with_its_session(keepwarm, origin, versions):
    daemon = keepwarm(trusting(**client_certificate()))
    server = origin(tls=ServerTls(versions=versions, client_certificate="required"))
    assert [once(daemon, server) for _ in range(3)] == [False, True, True]


CHANGES = {
    "verify": lambda: tls_keys(verify=False),
    "server_name": lambda: tls_keys(server_name="localhost"),
    "client_certificate": lambda: tls_keys(**client_certificate()),
}


@both_versions
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_with_changed_settings_neither_connection_nor_session_is_used(keepwarm, origin, versions, change):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(versions=versions))
    once(daemon, server)
    upstream = exchange(daemon, server)
    assert upstream.resumed
    since = daemon.reload(together(trusting(), change()))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    assert upstream.wait_for_end() == "fin"
    assert not exchange(daemon, server).resumed


def test_a_reload_that_changes_nothing_keeps_the_connection(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls())
    upstream = exchange(daemon, server)
    since = daemon.reload(trusting())
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    exchange(daemon, server, upstream)


def test_a_ca_file_is_read_again_at_a_reload(keepwarm, origin, tmp_path):
    trusted = tmp_path / "ca.pem"
    trusted.write_text(open(certificate("self-signed").chain).read())
    config = tls_keys(ca_file=str(trusted))
    daemon, server = keepwarm(config), origin(tls=ServerTls())
    assert daemon.get(server.url()).status == 502
    server.accept_failed()
    trusted.write_text(open(trusting()["host"]["*"]["tls"]["ca_file"]).read())
    since = daemon.reload(config)
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    exchange(daemon, server)


def test_connections_that_were_idle_together_leave_a_session(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls())
    for upstream in pooled(daemon, server, 5):
        upstream.close()
    daemon.wait_log(r"upstream \S+ closed", count=5)
    assert once(daemon, server)
