"""The line of a failure says why it failed, in the words of the client's answer, and what was tried (core/doc/design.md §8)."""

import json
import socket

import pytest
from helpers_pool import begin, every_host, exchange, finish, serve
from helpers_tls import together
from support.tls_server import ServerTls
from support.waiting import eventually

JSON = {"log": {"access": "json"}}
ORDINARY = {"rule": None, "delivered": "no", "tried": [], "end": "keepwarm"}


def records(daemon, count: int = 1) -> list[dict]:
    def found():
        return [record for line in daemon.log if (record := json.loads(line))["kind"] == "access"]

    eventually(lambda: len(found()) >= count, message=f"{count} access records")
    return found()


def messages(daemon, level: str) -> list[str]:
    return [record["message"] for line in daemon.log if (record := json.loads(line)).get("level") == level]


def check(record: dict, response, **expected) -> None:
    """The record of an answer of keepwarm's own."""
    body = response.body.decode()
    assert record["status"] == response.status and record["error"]
    assert f"keepwarm: {record['reason']}\n" == body
    assert record["bytes_sent"] == len(body)
    assert {key: record[key] for key in (ORDINARY | expected)} == ORDINARY | expected


class Unreachable:
    """An address at which nobody answers: its backlog is full."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.listener.getsockname())
            self.fillers.append(filler)

    @property
    def at(self) -> str:
        return "{}:{}".format(*self.listener.getsockname())

    def close(self):
        for each in (self.listener, *self.fillers):
            each.close()


@pytest.fixture
def unreachable():
    made = Unreachable()
    yield made
    made.close()


# Servers


def test_a_certificate(keepwarm, origin):
    daemon, server = keepwarm(JSON), origin(tls=ServerTls(), name="localhost")
    response = daemon.get(server.url())
    record = records(daemon)[0]
    check(record, response, error="tls_certificate_error", tried=[f"127.0.0.1:{server.port}"])
    assert "certificate" in record["reason"] and record["tls_ms"] > 0
    assert any(server.url().split("/")[2] in line and "begins to fail: " in line and "certificate" in line
               for line in messages(daemon, "warning"))


def test_a_port_where_nobody_listens(keepwarm, closed_port):
    daemon, port = keepwarm(JSON), closed_port()
    check(*of(daemon, f"http://127.0.0.1:{port}/"), error="connection_refused", tried=[f"127.0.0.1:{port}"])


def of(daemon, url: str):
    response = daemon.get(url)
    return records(daemon)[0], response


def test_a_name_that_does_not_resolve(keepwarm):
    check(*of(keepwarm(JSON), "http://name.invalid/"), error="dns_error")


def test_connecting_that_takes_too_long_has_its_time(keepwarm, unreachable):
    daemon = keepwarm(together(JSON, every_host(connect_timeout="300ms")))
    record, response = of(daemon, f"http://{unreachable.at}/")
    check(record, response, error="connection_timeout", rule="connect_timeout", tried=[unreachable.at])
    assert record["connect_ms"] >= 290 and record["queue_ms"] < 250


def test_a_socket_that_is_not_there(keepwarm, tmp_path):
    path = f"{tmp_path}/gone.sock"
    daemon = keepwarm(together(JSON, {"host": {"service": {"connect_to": f"unix:{path}"}}}))
    check(*of(daemon, "http://service/"), error="connection_refused", tried=[f"unix:{path}"])


def test_a_server_that_does_not_answer_in_time(keepwarm, origin):
    daemon, server = keepwarm(together(JSON, every_host(response_timeout="300ms"))), origin()
    record, response = of(daemon, server.url())
    check(record, response, error="http_response_timeout", rule="response_timeout", delivered="maybe")
    assert record["upstream"] == server.at


@pytest.mark.parametrize("method,delivered", [("GET", "maybe"), ("POST", "maybe")])
def test_a_server_that_closes_instead(keepwarm, origin, method, delivered):
    daemon, server = keepwarm(JSON), origin()
    client = begin(daemon, server, method)
    upstream = server.accept()
    upstream.read_request()
    upstream.close()
    check(records(daemon)[0], client.read_response(method), error="connection_terminated", delivered=delivered)


def test_a_request_that_never_arrived(keepwarm, origin):
    daemon, server = keepwarm(together(JSON, every_host(retry_undelivered=False))), origin()
    upstream = exchange(daemon, server)
    # What the server does not read before it closes is answered by RST, and so not acknowledged by its end.
    client = begin(daemon, server, "POST", body=b"x")
    upstream.read_request()
    upstream.close()
    record = records(daemon, 2)[1]
    check(record, client.read_response("POST"), error="connection_terminated", delivered=record["delivered"])
    assert record["delivered"] == ("no" if "not delivered" in record["reason"] else "maybe")


def test_an_answer_that_is_no_http(keepwarm, origin):
    daemon, server = keepwarm(JSON), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nbad\r\n\r\n")
    check(records(daemon)[0], client.read_response(), error="http_protocol_error", delivered="yes")


def test_an_answer_that_is_cut(keepwarm, origin):
    daemon, server = keepwarm(JSON), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    client.read_until(b"half")
    upstream.close()
    record = records(daemon)[0]
    assert (record["end"], record["delivered"], record["rule"]) == ("origin", "yes", None)
    assert record["reason"] == f"{server.at}: cut its answer short"


def test_waiting_for_a_connection_is_a_time_of_its_own(keepwarm, origin):
    daemon, server = keepwarm(together(JSON, every_host(max_connections=1, queue_timeout="300ms"))), origin()
    first = begin(daemon, server)
    upstream = server.accept()
    record, response = of(daemon, server.url("/late"))
    check(record, response, error="connection_limit_reached", rule="max_connections")
    assert record["queue_ms"] >= 290 and record["connect_ms"] == 0
    serve(upstream)
    finish(first)


def test_a_request_that_waited_and_was_served_tells_how_long(keepwarm, origin):
    daemon, server = keepwarm(together(JSON, every_host(max_connections=1))), origin()
    first = begin(daemon, server)
    upstream = server.accept()
    second = begin(daemon, server, "GET", "/second")
    assert not daemon.log_text().count("/second")  # it waits: the daemon is at rest
    serve(upstream)
    serve(upstream)
    finish(first)
    finish(second)
    served = next(record for record in records(daemon, 2) if record["url"].endswith("/second"))
    assert served["queue_ms"] > 0 and "reason" not in served


# Requests that are refused


@pytest.mark.parametrize("request_text,url,words,rule", [
    ("GET /path?secret HTTP/1.1\r\nHost: x\r\n\r\n", "/path?...", "not for one", None),
    ("GET http://127.0.0.1:25/a?secret HTTP/1.1\r\nHost: 127.0.0.1:25\r\n\r\n", "http://127.0.0.1:25/a?...", "bad_ports", "bad_ports"),
    ("CONNECT x:25 HTTP/1.1\r\nHost: x:25\r\n\r\n", "x:25", "connect_ports", "connect_ports"),
    ("GET http://user:secret@x/a HTTP/1.1\r\nHost: x\r\n\r\n", "http://x/a", "user name or password", None),
    ("GET ftp://user:secret@x/a HTTP/1.1\r\nHost: x\r\n\r\n", "ftp://x/a", "", None),
    ("GET http://x/a HTTP/1.1\r\nHost: y\r\nHost: z\r\n\r\n", "http://x/a", "Host", None),
    ("GET http://x/a HTTP/1.1\r\nHost: x\r\nBad header\r\n\r\n", "http://x/a", "malformed", None),
    ("GET http://x:25/\xff HTTP/1.1\r\nHost: x:25\r\n\r\n", "http://x:25/%FF", "bad_ports", "bad_ports"),
    ("POST http://x/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "http://x/a", "Content-Length", None),
    ("GET http://x/a HTTP/3.0\r\nHost: x\r\n\r\n", "http://x/a", "", None),
    ("\x17\x03\x01\x02\x00secret", "", "", None),
    ("secret\r\n\r\n", "", "malformed", None),
    ("GET http://x/a HTTP/1.1\r\nHost: x\r\nA: " + "a" * 70000 + "\r\n\r\n", "http://x/a", "", "max_header_size"),
], ids=["origin form", "bad port", "connect port", "userinfo", "scheme", "two hosts", "bad field", "bad byte", "two lengths",
        "version", "binary", "no request", "too large"])
def test_a_request_that_is_refused_shows_its_url_and_what_is_wrong(keepwarm, request_text, url, words, rule):
    daemon = keepwarm(JSON)
    client = daemon.client()
    client.send(request_text.encode("latin-1"))
    method = request_text.split(" ")[0] if url else ""
    response = client.read_response(method or "GET")
    record = records(daemon)[0]
    check(record, response, url=url, method=method, rule=rule)
    assert words in record["reason"]
    assert "secret" not in daemon.log_text()


def test_a_destination_that_is_denied(keepwarm, origin):
    daemon, server = keepwarm(together(JSON, {"proxy": {"deny_destinations": ["127.0.0.0/8"]}})), origin()
    check(*of(daemon, server.url()), error="destination_ip_prohibited", rule="deny_destinations", tried=[server.at])


def test_a_loop(keepwarm):
    daemon = keepwarm(JSON)
    record, response = of(daemon, f"http://{daemon.at}/")
    check(record, response, tried=[daemon.at])


def test_too_many_clients(keepwarm):
    daemon = keepwarm(together(JSON, {"proxy": {"max_clients": 1}}))
    first, second = daemon.client(), daemon.client()
    check(records(daemon)[0], second.read_response(), error="connection_limit_reached", rule="max_clients", client=client_of(second))
    first.close()


def client_of(client) -> str:
    return "{}:{}".format(*client.sock.getsockname())


def test_a_head_that_does_not_come_in_time(keepwarm):
    daemon = keepwarm(together(JSON, {"proxy": {"client_header_timeout": "200ms"}}))
    client = daemon.client()
    client.send("GET http://x/a?secret HTTP/1.1\r\nHost:")
    check(records(daemon)[0], client.read_response(), rule="client_header_timeout", url="http://x/a?...", method="GET")


# Tunnels and clients


def test_a_tunnel_that_cannot_be_opened(keepwarm, closed_port):
    port = closed_port()
    daemon = keepwarm(together(JSON, {"proxy": {"connect_ports": [port]}}))
    client = daemon.client()
    client.send(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
    check(records(daemon)[0], client.read_response("CONNECT"), error="connection_refused", tried=[f"127.0.0.1:{port}"])


def test_a_client_that_left_before_its_answer(keepwarm, origin):
    daemon, server = keepwarm(JSON), origin()
    client = begin(daemon, server)
    server.accept().read_request()
    client.reset()
    record = records(daemon)[0]
    assert (record["end"], record["status"], record["delivered"], record["reason"]) == ("client", 0, "maybe", "the client left")


# Hosts that begin to fail, and those that answer again


def test_a_host_that_begins_to_fail_and_one_that_recovers_are_warnings_limited_in_rate(keepwarm, origin):
    daemon, server = keepwarm(JSON), origin()
    for _ in range(20):
        client = begin(daemon, server, "POST")
        upstream = server.accept()
        upstream.read_request()
        upstream.close()
        assert client.read_response("POST").status == 502
    exchange(daemon, server)
    warnings = [line for line in messages(daemon, "warning") if server.at in line]
    assert len(warnings) == 2
    assert warnings[0] == f"{server.at} begins to fail: closed the connection before it answered"
    assert warnings[1].startswith(f"{server.at} answers again after ")


def test_every_line_is_an_object_whatever_the_log_says(keepwarm, tmp_path, origin, closed_port):
    log = tmp_path / "log"
    config = {"log": {"file": str(log), "access": "json", "level": "trace"}, "proxy": {"listen": [f"unix:{tmp_path}/p"]}}
    daemon, server = keepwarm(config, wait=False), origin()
    eventually(lambda: "ready" in (log.read_text() if log.exists() else ""))
    daemon.addresses = [f"unix:{tmp_path}/p"]
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send(b"HTTP/1.1 200 \xff\"\\\x80\r\nX: \xfe\r\nContent-Length: 2\r\n\r\nok")
    client.read_response()
    daemon.get(f"http://127.0.0.1:{closed_port()}/\"")
    daemon.reload("nonsense \"\\", raw_config=True)
    daemon.reload(config)
    eventually(lambda: "configuration reloaded" in log.read_text())
    daemon.terminate()
    assert daemon.wait_exit() == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["kind"] for line in lines} == {"access", "log"}
    assert all({"time", "level", "message"} <= line.keys() for line in lines if line["kind"] == "log")
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert lines[-1]["message"] == "stopped"
