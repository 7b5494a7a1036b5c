"""What the logs say of TLS (core/doc/design.md §8)."""

import json
import time

import pytest
from helpers_pool import KEEP, begin, exchange, finish, serve
from helpers_tls import both_versions, together
from support.stalls import real_time
from support.tls import certificate, trusting
from support.tls_server import ServerTls
from support.waiting import eventually


def records(daemon, count: int) -> list[dict]:
    def found():
        return [record for line in daemon.log if (record := json.loads(line))["kind"] == "access"]

    eventually(lambda: len(found()) >= count, message=f"{count} access records")
    return found()


@pytest.fixture
def logging(keepwarm):
    return keepwarm(together(trusting(), {"log": {"access": "json"}}))


@both_versions
def test_the_handshake_has_its_time_on_a_fresh_connection_only(logging, origin, versions):
    server = origin(tls=ServerTls(versions=versions))
    upstream = exchange(logging, server, path="/one")
    exchange(logging, server, upstream)
    fresh, reused = records(logging, 2)
    assert fresh["url"] == server.url("/one") and fresh["url"].startswith("https://")
    assert (fresh["upstream"], fresh["connection"]) == (server.at, "fresh")
    assert 0 < fresh["tls_ms"] <= fresh["total_ms"]
    assert reused["connection"] == "reused"
    assert (reused["dns_ms"], reused["connect_ms"], reused["tls_ms"]) == (0, 0, 0)


@real_time
def test_a_slow_handshake_is_told_as_such(logging, origin):
    """The time of the handshake is not that of connecting."""
    server = origin()
    client = logging.client()
    client.send_request("GET", f"https://{server.at}/")
    connection = server.accept()
    eventually(connection.has_input)
    time.sleep(0.2)
    serve(server.start_tls(connection, ServerTls()))
    finish(client)
    record = records(logging, 1)[0]
    assert record["tls_ms"] >= 150 > record["connect_ms"]


def test_the_text_format_has_the_time_too(keepwarm, origin):
    daemon = keepwarm(together(trusting(), {"log": {"access": "text"}}))
    server = origin(tls=ServerTls())
    exchange(daemon, server, exchange(daemon, server))
    daemon.wait_log(r"GET https://127\.0\.0\.1:\d+/ 200 .* fresh .* tls=(?!0\.0)\d+\.\d")
    daemon.wait_log(r"GET https://127\.0\.0\.1:\d+/ 200 .* reused .* tls=0\.0 ")


def test_plain_http_has_no_time_of_tls(logging, origin):
    exchange(logging, origin())
    assert records(logging, 1)[0]["tls_ms"] == 0


def test_a_refused_certificate_is_told_with_its_error(logging, origin):
    server = origin(tls=ServerTls(certificate=certificate("expired")))
    assert logging.get(server.url()).status == 502
    record = records(logging, 1)[0]
    assert (record["status"], record["error"], record["connection"]) == (502, "tls_certificate_error", "none")


def test_a_retry_over_tls_is_told(logging, origin):
    server = origin(tls=ServerTls())
    upstream = exchange(logging, server)
    client = begin(logging, server)
    upstream.read_request()
    upstream.close()
    serve(server.accept(), "ok", KEEP)
    finish(client)
    record = records(logging, 2)[1]
    assert (record["retries"], record["connection"]) == (1, "fresh") and record["tls_ms"] > 0


@both_versions
def test_the_debug_log_says_how_the_handshake_went(logging, origin, versions):
    server = origin(tls=ServerTls(versions=versions))
    upstream = exchange(logging, server)
    version = upstream.version
    logging.wait_log(rf"upstream \S+ opened: .*{version} full")
    upstream.close()
    logging.wait_log(r"upstream \S+ closed")
    exchange(logging, server)
    logging.wait_log(rf"upstream \S+ opened: .*{version} resumed")
