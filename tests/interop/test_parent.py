"""Real proxies as parents: Squid, which keeps connections and counts them, and tinyproxy, which closes each."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from servers import Squid, Tinyproxy
from support.daemon import merged
from support.tls import authority, certificate, trusting
from support.waiting import eventually, sanitized

RUNS = 50 if sanitized() else 200
AT_A_TIME = 4


@pytest.fixture
def squid(_servers):
    """squid(credentials="", extra=""): see servers.Squid."""

    def start(*arguments, **options):
        _servers.append(Squid(*arguments, **options))
        return _servers[-1]

    return start


@pytest.fixture
def tinyproxy(_servers):
    """tinyproxy(credentials=""): see servers.Tinyproxy."""

    def start(*arguments, **options):
        _servers.append(Tinyproxy(*arguments, **options))
        return _servers[-1]

    return start


@pytest.fixture
def shown():
    """(certificate, key) of the servers, as the daemons trust them"""
    right = certificate("right")
    return right.chain, right.key


def through(parent, credentials: str = "", **proxy) -> dict:
    return merged(trusting(), {"host": {"*": {"parent": f"http://{credentials}{parent.at}"}}, "proxy": proxy})


def hello(nginx, **options):
    return nginx('location /hello { return 200 "hello"; }', **options)


def tunnels(parent, count: int) -> list[list[str]]:
    return [line for line in parent.log_lines(count) if line[1] == "CONNECT"]


# Squid


def test_requests_for_several_hosts_share_connections_to_squid(keepwarm, nginx, squid):
    parent, one, other = squid(), hello(nginx), hello(nginx)
    daemon = keepwarm(through(parent))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        answers = list(pool.map(lambda n: daemon.get((one, other)[n % 2].url("/hello")), range(RUNS)))
    assert all((answer.status, answer.body) == (200, b"hello") for answer in answers)
    assert any("squid.test" in via for via in answers[0].all("via"))
    lines = parent.log_lines(RUNS)
    assert {line[2] for line in lines} == {one.url("/hello"), other.url("/hello")}
    connections = {line[0] for line in lines}
    print(f"{RUNS} requests for two hosts, {len(connections)} connections to Squid")
    assert len(connections) <= AT_A_TIME


def test_https_through_squid_is_pooled(keepwarm, nginx, squid, shown):
    parent, server = squid(), hello(nginx, tls=shown)
    daemon = keepwarm(through(parent))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        answers = list(pool.map(lambda _: daemon.get(server.url("/hello")), range(RUNS)))
    assert all((answer.status, answer.body) == (200, b"hello") for answer in answers)
    handshakes = {line[0] for line in server.log_lines(RUNS)}
    print(f"{RUNS} requests, {len(handshakes)} handshakes at nginx through Squid's tunnels")
    assert len(handshakes) <= AT_A_TIME
    daemon.terminate()
    daemon.wait_exit()
    # One whose client was served by another connection meanwhile may have stayed unused.
    opened = sum(" opened: " in line for line in daemon.log)
    assert len(handshakes) <= opened <= 2 * AT_A_TIME
    told = tunnels(parent, opened)  # Squid tells of a tunnel when it is over
    assert len(told) == opened
    assert {(line[2], line[3]) for line in told} == {(server.at, "200")}


def test_curl_through_keepwarm_through_squid(keepwarm, nginx, squid, shown, command):
    parent, server = squid(), hello(nginx, tls=shown)
    at = keepwarm(through(parent, connect_ports=[server.port])).at
    (server.root / "large").write_bytes(bytes(range(256)) * 40_000)
    url = f"https://localhost:{server.port}"
    for path, body in (("/hello", b"hello"), ("/large", bytes(range(256)) * 40_000)):
        done = command("curl", "-fsS", "-x", at, "--cacert", authority().ca_file, url + path)
        assert done.stdout == body
    assert [line[2] for line in tunnels(parent, 2)] == [f"localhost:{server.port}"] * 2


def test_a_post_and_an_upload_through_squid(keepwarm, script, squid, command, tmp_path):
    parent, server = squid(), script("origin.js")
    at = keepwarm(through(parent)).at
    file = tmp_path / "file"
    file.write_bytes(bytes(3 << 20))
    assert b'"size":11' in command("curl", "-fsS", "-x", at, "-d", "field=value", server.url("/")).stdout
    assert b'"size":3145728' in command("curl", "-fsS", "-x", at, "-T", file, server.url("/put")).stdout
    chunked = command("curl", "-fsS", "-x", at, "-H", "Transfer-Encoding: chunked", "-T", file, server.url("/put")).stdout
    assert b'"size":3145728' in chunked


def test_a_restart_of_squid_is_not_seen(keepwarm, nginx, squid, shown):
    parent, plain, secure = squid(), hello(nginx), hello(nginx, tls=shown)
    daemon = keepwarm(through(parent))
    for _ in range(3):
        for server in (plain, secure):
            assert [daemon.get(server.url("/hello")).status for _ in range(3)] == [200] * 3
        parent.end_process()
        parent.process = parent.spawn(*parent._command(parent.port))
        assert parent._came_up(), parent.output()


def test_squid_with_a_password(keepwarm, nginx, squid, shown, command):
    parent, plain, secure = squid("user:p@ss/w%d"), hello(nginx), hello(nginx, tls=shown)
    daemon = keepwarm(through(parent, "user:p%40ss%2fw%25d@", connect_ports=[secure.port]))
    for server in (plain, secure, plain, secure):
        assert daemon.get(server.url("/hello")).body == b"hello"
    done = command("curl", "-fsS", "-x", daemon.at, "--cacert", authority().ca_file, f"https://localhost:{secure.port}/hello")
    assert done.stdout == b"hello"
    daemon.reload(through(parent, "user:wrong@", connect_ports=[secure.port]))
    eventually(lambda: daemon.get(plain.url("/hello")).status == 502)
    for server in (plain, secure):
        answer = daemon.get(server.url("/hello"))
        assert answer.status == 502 and "proxy_configuration_error" in answer.get("proxy-status"), answer.body
    assert command("curl", "-sS", "-k", "-x", daemon.at, secure.url("/hello"), check=False).stderr.count(b"502") == 1


def test_what_squid_refuses_is_told(keepwarm, nginx, squid, shown):
    parent = squid(extra="""
acl tunnels method CONNECT
acl unwanted urlpath_regex ^/unwanted
http_access deny tunnels
http_access deny unwanted
""")
    plain, secure = hello(nginx), hello(nginx, tls=shown)
    daemon = keepwarm(through(parent))
    answer = daemon.get(plain.url("/unwanted"))
    assert answer.status == 403 and answer.has("x-squid-error")
    answer = daemon.get(secure.url("/hello"))
    assert (answer.status, answer.get("proxy-status")) == (502, "keepwarm; error=destination_unavailable")
    assert "status 403" in answer.body.decode() and f"127.0.0.1:{secure.port}" in answer.body.decode()


def test_what_squid_does_not_reach_is_told(keepwarm, squid, closed_port):
    at = f"127.0.0.1:{closed_port()}"
    daemon = keepwarm(through(squid()))
    assert daemon.get(f"http://{at}/").status == 503  # Squid's own answer
    answer = daemon.get(f"https://{at}/")
    assert answer.status == 502 and "status 503" in answer.body.decode()


# tinyproxy


def test_tinyproxy_serves_though_it_keeps_no_connection(keepwarm, nginx, tinyproxy):
    parent, server = tinyproxy(), hello(nginx)
    daemon = keepwarm(through(parent))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        answers = list(pool.map(lambda _: daemon.get(server.url("/hello")), range(RUNS)))
    assert all((answer.status, answer.body) == (200, b"hello") for answer in answers)
    assert "tinyproxy" in answers[0].all("via")[0]


def test_https_through_tinyproxy_is_pooled(keepwarm, nginx, tinyproxy, shown, command):
    parent, server = tinyproxy("user:secret"), hello(nginx, tls=shown)
    daemon = keepwarm(through(parent, "user:secret@", connect_ports=[server.port]))
    for _ in range(10):
        assert daemon.get(server.url("/hello")).body == b"hello"
    assert len({line[0] for line in server.log_lines(10)}) == 1
    done = command("curl", "-fsS", "-x", daemon.at, "--cacert", authority().ca_file, f"https://localhost:{server.port}/hello")
    assert done.stdout == b"hello"


def test_two_keepwarms_in_a_row(keepwarm, nginx, shown, command):
    """Of which only the inner one may go to the server; both pool."""
    plain, secure = hello(nginx), hello(nginx, tls=shown)
    inner = keepwarm({"proxy": {"connect_ports": [secure.port]}})
    outer = keepwarm(through(inner, connect_ports=[secure.port]))
    for server in (plain, secure):
        for _ in range(10):
            assert outer.get(server.url("/hello")).body == b"hello"
        assert len({line[0] for line in server.log_lines(10)}) == 1
    done = command("curl", "-fsS", "-x", outer.at, "--cacert", authority().ca_file, f"https://localhost:{secure.port}/hello")
    assert done.stdout == b"hello"
