"""max_clients: above it 503 and close (DESIGN.md §4)."""

from helpers_pool import begin, finish, serve, settle
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


def test_a_client_that_leaves_makes_room(keepwarm, origin):
    daemon, server = keepwarm({"proxy": {"max_clients": 2}}), origin()
    first, second = daemon.client(), daemon.client()
    refused = daemon.client()
    refused.send("GET ")
    refused.read_to_end()
    first.close()
    second.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # its answer shows that the first one's end was seen
    assert second.read_response().status == 400
    second.close()
    settle(daemon)
    client = begin(daemon, server)
    serve(server.accept())
    finish(client)
