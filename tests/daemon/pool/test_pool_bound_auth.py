"""NTLM and Negotiate authenticate a connection: it serves one client connection only and closes with it (core/doc/design.md §6.10)."""

import time

import pytest
from helpers_parent import NAME, through
from helpers_parent import ask as ask_url
from helpers_pool import KEEP, exchange, serve

SCHEMES = ["NTLM", "Negotiate", "ntlm", "NEGOTIATE"]


def ask(client, server, upstream=None, *fields, answer=(), status="200 OK"):
    client.send_request("GET", server.url(), *fields)
    upstream = upstream or server.accept()
    serve(upstream, "ok", *answer, status=status)
    response = client.read_response()
    assert response.body == b"ok"
    return upstream, response


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_request_that_carries_it_binds_the_connection_to_its_client(keepwarm, origin, scheme):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    bound, _ = ask(client, server, None, f"Authorization: {scheme} abc==", answer=(KEEP,))
    other = exchange(daemon, server)  # another client gets a connection of its own
    ask(client, server, bound)
    exchange(daemon, server, other)
    client.close()
    assert bound.wait_for_end()
    daemon.wait_log(r"upstream \S+ closed: bound to client")
    exchange(daemon, server, other)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_response_that_offers_it_binds_the_connection(keepwarm, origin, scheme):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    bound, response = ask(client, server, None, answer=(f"WWW-Authenticate: {scheme}", KEEP), status="401 Unauthorized")
    assert response.get("www-authenticate") == scheme
    ask(client, server, bound, f"Authorization: {scheme} type1", answer=(f"WWW-Authenticate: {scheme} type2",),
        status="401 Unauthorized")
    ask(client, server, bound, f"Authorization: {scheme} type3")
    ask(client, server, bound)  # authenticated now, though this request carries nothing
    other = daemon.client()
    ask(other, server)
    client.close()
    assert bound.wait_for_end()


def test_an_offer_among_others_binds_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    ask(client, server, None, answer=('WWW-Authenticate: Basic realm="x, y", Negotiate', KEEP), status="401 Unauthorized")
    exchange(daemon, server)


@pytest.mark.parametrize("scheme", ["Basic", "Bearer", "Digest"])
def test_other_schemes_are_of_the_request_and_share(keepwarm, origin, scheme):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    upstream, _ = ask(client, server, None, f"Authorization: {scheme} abc", answer=(f"WWW-Authenticate: {scheme} x=y", KEEP))
    exchange(daemon, server, upstream)


OFFER = "WWW-Authenticate: NTLM"


def bind(daemon, server, *fields, status="401 Unauthorized"):
    """(a client to which a connection is bound that lies idle, the connection)."""
    client = daemon.client()
    upstream, _ = ask(client, server, None, *fields, answer=(OFFER, KEEP), status=status)
    return client, upstream


def test_bound_connections_without_credentials_give_way_the_longest_idle_first(keepwarm, origin):
    daemon, server = keepwarm({"host": {"*": {"max_connections": 3}}}), origin()
    bound = [bind(daemon, server) for _ in range(3)]
    others = []
    for _, upstream in bound[:2]:
        other = daemon.client()
        other.send_request("GET", server.url())
        assert upstream.wait_for_end() == "fin"
        others.append((other, server.accept()))
    for _, upstream in others:  # both are on their way before one is answered, or that connection serves the other, too
        upstream.read_request()
    for client, upstream in others:
        upstream.answer("ok", "200 OK", KEEP)
        assert client.read_response().body == b"ok"
    ask(bound[2][0], server, bound[2][1], "Authorization: NTLM type1", answer=(OFFER + " type2",), status="401 Unauthorized")
    daemon.wait_log(r"upstream \S+ closed: pool full")


def test_whoever_lost_such_a_connection_is_served_on_another(keepwarm, origin):
    daemon, server = keepwarm({"host": {"*": {"max_connections": 1}}}), origin()
    client, _ = bind(daemon, server)
    shared = exchange(daemon, server)
    ask(client, server, shared, "Authorization: NTLM type1", answer=(OFFER + " type2",), status="401 Unauthorized")
    ask(client, server, shared, "Authorization: NTLM type3")


def test_a_connection_that_is_bound_while_others_wait_gives_way_at_once(keepwarm, origin):
    daemon, server = keepwarm({"host": {"*": {"max_connections": 1}}}), origin()
    first, second = daemon.client(), daemon.client()
    first.send_request("GET", server.url())
    upstream = server.accept()
    upstream.read_request()
    second.send_request("GET", server.url())
    upstream.answer("ok", "401 Unauthorized", OFFER, KEEP)
    assert first.read_response().status == 401
    serve(server.accept(), "ok", KEEP)
    assert second.read_response().body == b"ok"


def test_with_credentials_it_gives_way_when_its_client_was_idle_for_queue_timeout(keepwarm, origin):
    daemon, server = keepwarm({"host": {"*": {"max_connections": 1, "queue_timeout": "1s"}}}), origin()
    client, upstream = bind(daemon, server, "Authorization: NTLM type1")
    ask(client, server, upstream, status="200 OK")  # the connection stays authenticated
    began = time.monotonic()
    other = daemon.client()
    other.send_request("GET", server.url())
    assert upstream.wait_for_end() == "fin"
    assert time.monotonic() - began > 0.8
    serve(server.accept(), "ok", KEEP)
    assert other.read_response().body == b"ok"


def test_with_credentials_and_a_busy_client_the_queue_waits(keepwarm, origin):
    daemon, server = keepwarm({"host": {"*": {"max_connections": 1, "queue_timeout": "500ms"}}}), origin()
    client, upstream = bind(daemon, server, "Authorization: NTLM type1")
    client.send_request("GET", server.url())
    upstream.read_request()
    assert daemon.client().get(server.url()).status == 503
    upstream.answer("ok", "200 OK", KEEP)
    assert client.read_response().body == b"ok"
    ask(client, server, upstream)


def test_a_bound_connection_that_the_server_closes_is_replaced(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    bound, _ = ask(client, server, None, "Authorization: NTLM type1", answer=(KEEP,))
    bound.close()
    daemon.wait_log(r"upstream \S+ closed: ")
    ask(client, server, None, "Authorization: NTLM type1", answer=(KEEP,))


def test_an_idle_connection_of_others_is_not_bound_for_the_handshake_of_one(keepwarm, origin):
    """What a pooled connection was used for before does not matter; from the first such request on nobody else gets it."""
    daemon, server = keepwarm(), origin()
    shared = exchange(daemon, server)
    client = daemon.client()
    ask(client, server, shared, "Authorization: NTLM type1", answer=(KEEP,))
    exchange(daemon, server)
    ask(client, server, shared, "Authorization: NTLM type3", answer=(KEEP,))


# Clients that keep to RFC 4559 §6 (.NET, WinHTTP) authenticate through a proxy only if it says that this works.
SUPPORT = ("Proxy-Support: Session-Based-Authentication", "Connection: Proxy-Support")


def says_support(response) -> bool:
    assert "proxy-support" in response.tokens("connection") or not response.has("proxy-support")
    assert response.all("proxy-support") in ([], ["Session-Based-Authentication"])
    return response.has("proxy-support")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_401_that_offers_it_says_that_it_works_through_us(keepwarm, origin, scheme):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    bound, first = ask(client, server, None, answer=(f"WWW-Authenticate: {scheme}", KEEP), status="401 Unauthorized")
    _, second = ask(client, server, bound, f"Authorization: {scheme} one", answer=(f"WWW-Authenticate: {scheme} two", KEEP),
                    status="401 Unauthorized")
    _, done = ask(client, server, bound, f"Authorization: {scheme} three", answer=(f"WWW-Authenticate: {scheme} four",))
    assert says_support(first) and says_support(second) and not says_support(done)


def test_a_401_on_a_client_connection_that_closes_says_so_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    _, response = ask(client, server, None, "Connection: close", answer=("WWW-Authenticate: Negotiate",),
                      status="401 Unauthorized")
    assert says_support(response) and "close" in response.tokens("connection")


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_other_401s_do_not_and_the_origins_own_word_is_not_passed_on(keepwarm, origin, scheme):
    daemon, server = keepwarm(), origin()
    _, response = ask(daemon.client(), server, None, answer=(f"WWW-Authenticate: {scheme} x=y", SUPPORT[0]),
                      status="401 Unauthorized")
    assert not says_support(response)


@pytest.mark.parametrize("says,expected", [(SUPPORT, True), (SUPPORT[:1], False), ((), False)])
def test_behind_a_parent_it_is_said_only_if_the_parent_says_so(keepwarm, origin, says, expected):
    parent = origin()
    daemon = keepwarm(through(parent))
    client = ask_url(daemon, f"http://{NAME}/")
    serve(parent.accept(), "ok", "WWW-Authenticate: NTLM", *says, status="401 Unauthorized")
    assert says_support(client.read_response()) == expected
