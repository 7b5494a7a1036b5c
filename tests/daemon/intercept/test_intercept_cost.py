"""What an intercepted client waited for before its first request is that request's, in the log and in what was saved."""

import json
import signal

from helpers_intercept import connect, get, intercepting, secure, tls_context
from support.tls_server import ServerTls


def test_a_connection_that_its_own_connect_opened_has_saved_a_client_nothing(keepwarm, http_origin, local_ca):
    ca, server = local_ca("example.test"), http_origin(tls=ServerTls())
    daemon = keepwarm(intercepting(ca, server.at, {"log": {"access": "json"}}))
    for requests in (2, 1):
        client = secure(connect(daemon), tls_context(ca))
        for _ in range(requests):
            assert get(client).body == b"hello"
        client.close()
    daemon.wait_log('"kind":"access"', count=3)
    first, second, other = (json.loads(line) for line in daemon.log if '"kind":"access"' in line)
    assert all(first[name] > 0 for name in ("connect_ms", "tls_ms", "client_tls_ms")), first
    assert [second[name] for name in ("connect_ms", "tls_ms", "client_tls_ms")] == [0, 0, 0]
    assert other["client_tls_ms"] > 0 and [other["connect_ms"], other["tls_ms"]] == [0, 0]
    assert len(server.connections) == 1
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0
    [line] = [json.loads(line)["message"] for line in daemon.log if "since the start" in line]
    assert ": 3 requests, 66.7 % of them on connections that were open already: 2 handshakes avoided, " in line
