"""max_clients: above it 503 and close (core/doc/design.md §4)."""

from helpers_pool import serve
from support.waiting import eventually
from support.wiring import check_own_answer


def test_a_client_above_max_clients_gets_503_and_a_close(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"max_clients": 2}}), origin()
    first, second = daemon.client(), daemon.client()
    first.send_request("GET", server.url())
    upstream = server.accept()
    upstream.read_request()
    third = daemon.client()
    third.send_request("GET", server.url())
    check_own_answer(third.read_response(), 503, "connection_limit_reached")
    third.expect_eof()
    upstream.answer("ok")
    assert first.read_response().body == b"ok"
    second.send_request("GET", server.url())
    serve(upstream)
    assert second.read_response().body == b"ok"


def test_a_client_that_leaves_makes_room(keepwarm, http_origin):
    daemon, server = keepwarm({"proxy": {"max_clients": 2}}), http_origin()
    clients = [daemon.client(), daemon.client()]
    assert daemon.get(server.url()).status == 503
    for client in clients:
        client.close()
    eventually(lambda: daemon.get(server.url()).status == 200)
