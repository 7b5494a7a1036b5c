"""NTLM and Negotiate authenticate a connection: it serves one client connection only and closes with it (core/doc/design.md §6.10)."""

import pytest
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
