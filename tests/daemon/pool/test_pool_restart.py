"""An origin that is restarted with connections in the pool: no client sees it."""

import pytest
from helpers_pool import KEEP, begin, end_connections, finish, settle
from support.http_origin import Canned


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_forty_gets_after_a_restart_are_forty_answers(keepwarm, http_origin, how):
    daemon, server = keepwarm(), http_origin({"*": Canned(b"hello", fields=[KEEP])})
    server.hold()
    clients = [begin(daemon, server, path=f"/{number}") for number in range(10)]
    server.wait_requests(10)
    server.release()
    for client in clients:
        finish(client, "hello")
    assert len(server.connections) == 10
    server.stop_listening()
    end_connections(server, how)
    server.listen_again()
    clients = [begin(daemon, server, path=f"/after/{number}") for number in range(40)]
    for client in clients:
        finish(client, "hello")


def test_while_the_origin_is_down_clients_get_502_and_then_service_again(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin({"*": Canned(b"hello", fields=[KEEP])})
    assert daemon.get(server.url()).body == b"hello"
    server.stop_listening()
    end_connections(server, "fin")
    daemon.wait_log(r"upstream \S+ closed: server closed idle")
    for _ in range(3):
        assert daemon.get(server.url()).status == 502
    server.listen_again()
    assert daemon.get(server.url()).body == b"hello"


def test_connections_that_end_at_any_moment_never_show_in_a_get(keepwarm, http_origin):
    """The origin closes each connection right after an answer, without saying so: the next GET races with that."""
    def answer_and_close(request, connection):
        connection.answer(request.target, "200 OK", KEEP)
        if connection.index % 2:
            connection.reset()
        else:
            connection.close()

    daemon, server = keepwarm(), http_origin({"*": answer_and_close})
    client = daemon.client()
    failures = []
    for number in range(200):
        client.send_request("GET", server.url(f"/{number}"))
        response = client.read_response()
        if response.status != 200 or response.body != f"/{number}".encode():
            failures.append((number, response.status, response.body))
    assert not failures
    settle(daemon)
