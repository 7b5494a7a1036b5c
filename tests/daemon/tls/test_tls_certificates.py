"""Which certificates are taken, and what is said of the others (core/doc/design.md §4 [host.*.tls], §6.5, §7)."""

import pytest
from helpers_names import own_names
from helpers_pool import begin, exchange, finish, serve
from helpers_tls import both_versions, refused, sent_nothing_behind, tls_keys, together
from support.tls import WRONG_KINDS, authority, certificate, client_certificate, common_name, stranger, trusting
from support.tls_server import ServerTls

wrong_kinds = pytest.mark.parametrize("kind", WRONG_KINDS)
WHY = {  # words that must stand in the text for the client
    "wrong name": ["other.example.test", "localhost"],
    "expired": ["expired"],
    "not yet valid": ["not yet valid"],
    "self-signed": ["self-signed"],
    "unknown authority": ["unknown CA", "Strange Authority"],
    "wrong usage": ["purpose"],
}


def showing(kind: str, **options) -> ServerTls:
    return ServerTls(certificate=certificate(kind), **options)


@both_versions
@pytest.mark.parametrize("kind", ["right", "by an intermediate"])
def test_a_right_certificate_is_taken(keepwarm, origin, kind, versions):
    exchange(keepwarm(trusting()), origin(tls=showing(kind, versions=versions), name="localhost"))


@both_versions
@wrong_kinds
def test_a_wrong_certificate_is_refused_and_no_request_sent(keepwarm, origin, kind, versions):
    daemon, server = keepwarm(trusting()), origin(tls=showing(kind, versions=versions), name="localhost")
    response = refused(daemon, server, "tls_certificate_error", common_name(kind), *WHY[kind])
    assert response.body.decode().isascii()
    connection = server.accept_failed()
    assert "alert" in connection.handshake_error and not connection.records_behind_error
    server.expect_no_connection()


def test_each_fault_has_a_text_of_its_own(keepwarm, origin):
    daemon, texts = keepwarm(trusting()), set()
    for kind in WRONG_KINDS:
        server = origin(tls=showing(kind), name="localhost")
        text = refused(daemon, server, "tls_certificate_error").body.decode()
        texts.add(text.replace(common_name(kind), "").replace(str(server.port), ""))
    assert len(texts) == len(WRONG_KINDS), texts


def test_a_post_is_refused_like_a_get_and_its_body_not_sent(keepwarm, origin):
    daemon, server = keepwarm(trusting()), origin(tls=showing("expired"), name="localhost")
    refused(daemon, server, "tls_certificate_error", "expired", method="POST")
    assert not server.accept_failed().records_behind_error
    server.expect_no_connection()


def test_no_other_address_is_tried_after_a_refused_certificate(keepwarm, origin, tmp_path):
    """Both addresses would do; whichever was first, the other one is not asked."""
    daemon = keepwarm(trusting(), wrapper=own_names(tmp_path, "127.0.0.2 www.example.test\n127.0.0.3 www.example.test\n"))
    one = origin(host="127.0.0.2", tls=showing("expired"), name="www.example.test")
    other = origin(host="127.0.0.3", port=one.port, tls=showing("expired"))
    refused(daemon, one, "tls_certificate_error")
    asked = one if one.connections else other
    asked.accept_failed()
    for server in (one, other):
        server.expect_no_connection()


def test_the_client_connection_survives_a_refused_certificate(keepwarm, origin):
    daemon = keepwarm(trusting())
    bad, good = origin(tls=showing("expired")), origin(tls=showing("right"))
    client = daemon.client()
    assert client.get(bad.url()).status == 502
    client.send_request("GET", good.url())
    serve(good.accept())
    finish(client)


@both_versions
@wrong_kinds
def test_without_verification_any_certificate_is_taken(keepwarm, origin, kind, versions):
    daemon = keepwarm(tls_keys(verify=False))
    exchange(daemon, origin(tls=showing(kind, versions=versions), name="localhost"))


@pytest.mark.own_daemon
def test_no_verification_is_warned_of_once_for_each_host(keepwarm, origin):
    daemon = keepwarm(tls_keys(verify=False))
    first, second = origin(tls=showing("expired"), name="localhost"), origin(tls=showing("expired"))
    for server in (first, second, first, second):
        client = begin(daemon, server)
        serve(server.accept(), "ok", "Connection: close")
        finish(client)
    daemon.terminate()
    assert daemon.wait_exit() == 0
    warnings = [line for line in daemon.log if "[warning]" in line and ("verif" in line or "certificate" in line)]
    assert len(warnings) == 2, daemon.log_text()
    assert sum("localhost" in line for line in warnings) == 1 and sum("127.0.0.1" in line for line in warnings) == 1


def test_no_verification_of_one_host_is_none_of_another(keepwarm, origin):
    daemon = keepwarm(together(trusting(), tls_keys("127.0.0.1", verify=False)))
    server = origin(tls=showing("expired"))
    exchange(daemon, server)
    server.name = "localhost"
    refused(daemon, server, "tls_certificate_error", "expired")


def test_without_a_ca_file_the_system_store_decides(keepwarm, origin):
    daemon, server = keepwarm(), origin(tls=showing("right"), name="localhost")
    refused(daemon, server, "tls_certificate_error", common_name("right"), "unknown CA")


def test_a_ca_file_is_trusted_and_nobody_else(keepwarm, origin):
    daemon = keepwarm(tls_keys(ca_file=stranger().ca_file))
    exchange(daemon, origin(tls=showing("unknown authority")))
    refused(daemon, origin(tls=showing("right")), "tls_certificate_error")


def test_a_ca_file_may_hold_several_authorities(keepwarm, origin, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text(open(authority().ca_file).read() + open(stranger().ca_file).read())
    daemon = keepwarm(tls_keys(ca_file=str(both)))
    for kind in ("right", "unknown authority"):
        exchange(daemon, origin(tls=showing(kind)))


# Names


def test_a_host_that_is_an_address_is_verified_as_one_and_sends_no_name(keepwarm, origin):
    upstream = exchange(keepwarm(trusting()), origin(tls=showing("right")))
    assert upstream.name is None


def test_an_address_that_the_certificate_lacks_is_refused(keepwarm, origin):
    server = origin(host="127.0.0.3", tls=showing("right"))
    refused(keepwarm(trusting()), server, "tls_certificate_error", common_name("right"), "127.0.0.3")
    assert server.accept_failed().name is None


def test_an_ipv6_address_is_verified_too(keepwarm, origin):
    try:
        server = origin(host="::1", tls=showing("right"))
    except OSError:
        pytest.skip("this machine has no ::1")
    assert exchange(keepwarm(trusting()), server).name is None


@pytest.mark.parametrize("name,right", [("www.example.test", True), ("a.wild.test", True), ("a.b.wild.test", False),
                                        ("wild.test", False), ("example.test", False), ("WWW.Example.Test", True)])
def test_a_name_is_matched_as_rfc_9525_says(keepwarm, origin, tmp_path, name, right):
    daemon = keepwarm(trusting(), wrapper=own_names(tmp_path, f"127.0.0.1 {name}\n"))
    server = origin(tls=showing("right"), name=name)
    if right:
        upstream = exchange(daemon, server)
        assert upstream.name == name.lower()
    else:
        response = daemon.get(server.url())
        assert response.status == 502 and "tls_certificate_error" in response.get("proxy-status")
        assert name in response.body.decode()


def test_the_common_name_alone_is_no_name(keepwarm, origin):
    made = authority().issue("localhost")
    refused(keepwarm(trusting()), origin(tls=ServerTls(certificate=made), name="localhost"), "tls_certificate_error")


def test_a_trailing_dot_is_no_part_of_the_name(keepwarm, origin, tmp_path):
    daemon = keepwarm(trusting(), wrapper=own_names(tmp_path, "127.0.0.1 www.example.test\n"))
    upstream = exchange(daemon, origin(tls=showing("right"), name="www.example.test."))
    assert upstream.name == "www.example.test"


def test_server_name_is_asked_for_and_verified_in_place_of_the_host(keepwarm, origin):
    daemon = keepwarm(together(trusting(), tls_keys(server_name="other.example.test")))
    server = origin(tls=showing("wrong name"), name="localhost")
    client = begin(daemon, server)
    upstream = server.accept()
    assert serve(upstream).get("host") == server.at
    finish(client)
    assert upstream.name == "other.example.test"
    refused(daemon, origin(tls=showing("right"), name="localhost"), "tls_certificate_error", "other.example.test")


def test_a_server_name_is_sent_to_an_address_too(keepwarm, origin):
    daemon = keepwarm(together(trusting(), tls_keys("127.0.0.1", server_name="www.example.test")))
    assert exchange(daemon, origin(tls=showing("right"))).name == "www.example.test"


# Client certificates


@both_versions
@pytest.mark.parametrize("demand", ["required", "optional"])
def test_a_client_certificate_is_shown_where_it_is_demanded(keepwarm, origin, versions, demand):
    daemon = keepwarm(trusting(**client_certificate()))
    upstream = exchange(daemon, origin(tls=ServerTls(client_certificate=demand, versions=versions)))
    assert upstream.client_subject == common_name("client")


@both_versions
def test_a_client_certificate_that_nobody_demands_is_not_shown(keepwarm, origin, versions):
    upstream = exchange(keepwarm(trusting(**client_certificate())), origin(tls=ServerTls(versions=versions)))
    assert upstream.client_subject is None


@both_versions
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_certificate_that_is_demanded_and_not_there(keepwarm, origin, versions, method):
    daemon, server = keepwarm(trusting()), origin(tls=ServerTls(client_certificate="required", versions=versions))
    response = refused(daemon, server, "tls_alert_received", "certificate", method=method)
    assert "alert-" in response.get("proxy-status")
    connection = server.accept_failed()
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in connection.handshake_error
    assert sent_nothing_behind(connection)
    server.expect_no_connection()


@both_versions
def test_a_client_certificate_that_is_only_wished_for_need_not_be_there(keepwarm, origin, versions):
    upstream = exchange(keepwarm(trusting()), origin(tls=ServerTls(client_certificate="optional", versions=versions)))
    assert upstream.client_subject is None


@both_versions
def test_a_client_certificate_that_the_server_refuses(keepwarm, origin, versions):
    daemon = keepwarm(trusting(**client_certificate("client of a stranger")))
    server = origin(tls=ServerTls(client_certificate="required", versions=versions))
    refused(daemon, server, "tls_alert_received", "unknown CA")
    assert "CERTIFICATE_VERIFY_FAILED" in server.accept_failed().handshake_error
    server.expect_no_connection()
