"""What a review of interception has found: what counts as proof of a server, over which listener a client came, and the lines of
CONNECTs that end without a request."""

import contextlib
import re
import socket
import threading

import pytest
from helpers_intercept import AT, HOST, connect, get, intercepting, secure, tls_context, wait_road
from support.tls_server import ServerTls
from support.waiting import scaled


def lines(daemon) -> list[str]:
    """Of the access log: method, URL, status, and how it ended."""
    return [" ".join(re.search(r"\d+ (\S+ \S+ \d+) .* (end=\S+)", line).groups())
            for line in daemon.log if " road=" in line]


def silent(connection) -> None:
    connection.wait_for_end(limit=60)


def test_a_connection_that_is_being_opened_proves_nothing(keepwarm, origin, local_ca):
    """Though it is the only one that may be open."""
    server = origin(silent)
    daemon = keepwarm(intercepting(local_ca(HOST), server.at, {"host": {HOST: {"max_connections": 1}}}))
    first, second = daemon.client(), daemon.client()
    for number, client in enumerate((first, second)):
        client.send(f"CONNECT {AT} HTTP/1.1\r\nHost: {AT}\r\n\r\n")
        server.wait_connections(1) if number == 0 else client.expect_silence()


@pytest.mark.parametrize("listeners,ours", [(["0.0.0.0:0", "[::1]:0"], 0), (["127.0.0.1:0", "[::]:0"], 1)],
                         ids=["IPv4", "IPv6"])
def test_an_address_of_all_interfaces_is_none_of_the_other_family(keepwarm, http_origin, local_ca, listeners, ours):
    ca = local_ca(HOST)
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at, {
        "proxy": {"listen": listeners, "allow_clients": ["127.0.0.0/8", "::1/128"]},
        "intercept": {"listen": [listeners[ours]]}}))
    ports = [daemon.address(index)[1] for index in range(2)]
    for index, host in enumerate(("127.0.0.1", "::1")):
        sock = socket.create_connection((host, ports[index]))
        sock.sendall(f"CONNECT {AT} HTTP/1.1\r\nHost: {AT}\r\n\r\n".encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
        with tls_context(ca).wrap_socket(sock, server_hostname=HOST) as client:
            names = dict(part for group in client.getpeercert()["issuer"] for part in group)
            assert (names.get("organizationName") == "keepwarm") == (index == ours)
    wait_road(daemon, "tunnel", "listener")


# CONNECTs without a request


def test_who_is_idle_from_the_start_has_run_out_of_time(keepwarm, http_origin, local_ca):
    ca = local_ca(HOST)
    daemon = keepwarm(intercepting(ca, http_origin(tls=ServerTls()).at, {"proxy": {"client_idle_timeout": "300ms"}}))
    secure(connect(daemon), tls_context(ca)).expect_eof()
    assert "rule=client_idle_timeout" in wait_road(daemon, "intercept").string
    assert lines(daemon) == [f"CONNECT {AT} 200 end=timeout"]


@pytest.mark.parametrize("begun", ["", "GET / HT"], ids=["nothing", "half a head"])
def test_who_is_idle_as_we_stop_is_stopped(keepwarm, http_origin, local_ca, begun):
    ca = local_ca(HOST)
    daemon = keepwarm(intercepting(ca, http_origin(tls=ServerTls()).at, {"proxy": {"shutdown_grace": "500ms"}}))
    client = secure(connect(daemon), tls_context(ca))
    client.send(begun)
    daemon.terminate()
    client.expect_end()
    daemon.wait_exit()
    assert lines(daemon) == [f"CONNECT {AT} 200 end=shutdown"]


@pytest.mark.parametrize("head,status", [("GET / HTTP/1.1\r\nno field\r\n\r\n", 400), ("GET / HTTP/1.1\r\n", 408),
                                         ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)])
def test_a_request_that_is_refused_before_its_end_is_one(keepwarm, http_origin, local_ca, head, status):
    ca = local_ca(HOST)
    daemon = keepwarm(intercepting(ca, http_origin(tls=ServerTls()).at, {"proxy": {"client_header_timeout": "300ms"}}))
    client = secure(connect(daemon), tls_context(ca))
    client.send(head)
    assert client.read_response().status == status
    client.close()
    client = secure(connect(daemon), tls_context(ca))
    assert get(client).body == b"hello"
    wait_road(daemon, "intercept", count=2)
    assert lines(daemon) == [f"- https://{AT}/... {status} end=keepwarm", f"GET https://{AT}/... 200 end=completed"]


def test_a_loop_is_told_by_the_name_of_the_server(keepwarm, http_origin, local_ca):
    ca = local_ca(HOST)
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at, {"proxy": {"via": "always"}}))
    client = secure(connect(daemon), tls_context(ca))
    get(client)
    again = get(client, "/", f"Via: {server.requests[-1].get('via')}")
    assert (again.status, f" for {AT} " in again.body.decode()) == (508, True)


def test_no_request_is_lost_as_we_stop(keepwarm, http_origin, local_ca):
    """Those that are on their way then are answered, or their connection ends, at once: none is taken and forgotten."""
    ca = local_ca(HOST)
    daemon = keepwarm(intercepting(ca, http_origin(tls=ServerTls()).at, {"proxy": {"shutdown_grace": "1m"}}))
    context = tls_context(ca)
    clients = [secure(connect(daemon), context) for _ in range(200)]
    assert all(get(client).status == 200 for client in clients)
    request = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    stop = threading.Thread(target=daemon.terminate)
    for number, client in enumerate(clients):
        if number == 50:
            stop.start()
        with contextlib.suppress(OSError):  # its connection has ended
            client.sock.send(request)
    stop.join()
    for client in clients:
        client.sock.settimeout(scaled(20))
        with contextlib.suppress(ConnectionError):
            answer = client.sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ") or not answer
    daemon.wait_exit()


def test_a_connect_over_what_is_open_is_no_sign_that_a_failing_server_answers_again(keepwarm, http_origin, local_ca):
    ca = local_ca(HOST)
    server = http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at, {"host": {HOST: {"max_connections": 1, "queue_timeout": "200ms"}}}))
    holder, waiter = (secure(connect(daemon), tls_context(ca)) for _ in range(2))
    server.hold()
    holder.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
    server.wait_requests(1)
    assert get(waiter).status == 503
    daemon.wait_log("begins to fail")
    connect(daemon).close()
    assert get(waiter).status == 503
    assert "answers again" not in daemon.log_text()
    server.release()
    assert holder.read_response().status == 200
    daemon.wait_log("answers again")
