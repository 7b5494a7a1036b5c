"""SIGHUP: the configuration is read again and log.file reopened; no exchange is dropped, a bad one is refused (core/doc/design.md §3)."""

import re
import signal
import socket

import pytest
from helpers_pool import KEEP, begin, every_host, exchange, finish, pooled, serve, standing_still
from support.background import Background
from support.stalls import real_time
from support.waiting import eventually


def connects(address) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as sock:
        return sock.connect_ex(address) == 0


def test_host_settings_are_in_force_for_the_next_request(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    exchange(daemon, server, upstream)
    daemon.reload(every_host(reuse=False))
    assert upstream.wait_for_end() == "fin"  # it may not be used any more
    assert exchange(daemon, server).wait_for_end() == "fin"
    daemon.reload("")
    eventually(lambda: begin_reports_keep_alive(daemon, server))


def begin_reports_keep_alive(daemon, server) -> bool:
    """Whether a request now asks to keep its connection."""
    client = begin(daemon, server)
    request = serve(server.accept(), "ok", "Connection: close")
    finish(client)
    return request.tokens("connection") == ["keep-alive"]


def test_idle_connections_stay_warm(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    since = daemon.reload(every_host(queue_timeout="3s"))
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    exchange(daemon, server, upstream)


@real_time
def test_a_shorter_idle_timeout_holds_for_idle_connections_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    daemon.reload(every_host(idle_timeout="300ms"))
    assert upstream.wait_for_end(limit=2) == "fin"


def test_no_exchange_is_dropped(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    clients = {"awaiting": begin(daemon, server), "relaying": None, "sending": None}
    awaiting = server.accept()
    awaiting.read_request()
    clients["relaying"] = begin(daemon, server)
    relaying = server.accept()
    relaying.read_request()
    relaying.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
    clients["relaying"].read_until(b"half")
    clients["sending"] = begin(daemon, server, "POST", "/", "Content-Length: 8", body=b"half")
    sending = server.accept()
    sending.read_request_head()
    since = daemon.reload({"proxy": {"max_clients": 50}, **every_host(reuse=False)})
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    awaiting.answer("ok")
    finish(clients["awaiting"])
    relaying.send("rest")
    assert clients["relaying"].read_exact(4) == b"rest"
    clients["sending"].send("rest")
    assert sending.read_exact(8) == b"halfrest"
    sending.answer("ok")
    finish(clients["sending"])


def test_many_reloads_under_load_drop_nothing(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()

    def ask(count):
        client = daemon.client()
        for number in range(count):
            client.send_request("GET", server.url(f"/{number}"))
            assert client.read_response().body == b"hello"
        client.close()
        return count

    workers = [Background(ask, 150) for _ in range(4)]
    for number in range(20):
        daemon.reload(every_host(max_idle=number % 3, reuse=number % 4 != 0))
    assert sum(worker.result() for worker in workers) == 600


@pytest.mark.parametrize("text,what", [("[proxy\n", ""), ("[proxy]\nmax_clientz = 1\n", "max_clientz"),
                                       ('[host."*"]\nreuse = "no"\n', "reuse")], ids=["syntax", "unknown key", "type"])
def test_a_bad_configuration_is_logged_and_the_old_one_stays(keepwarm, origin, text, what):
    daemon, server = keepwarm(every_host(max_requests=2)), origin()
    upstream = exchange(daemon, server)
    since = daemon.reload(text, raw_config=True)
    daemon.wait_log(re.escape(str(daemon.config_file)) + r":\d+:\d+.*" + what, since=since)
    exchange(daemon, server, upstream)
    assert upstream.wait_for_end() == "fin"  # max_requests still holds
    daemon.wait_log("configuration reloaded", since=daemon.reload(every_host(max_requests=1)))
    assert exchange(daemon, server).wait_for_end() == "fin"


def test_a_configuration_that_is_gone_is_logged_and_the_old_one_stays(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server)
    daemon.config_file.unlink()
    since = len(daemon.log)
    daemon.signal(signal.SIGHUP)
    daemon.wait_log(re.escape(str(daemon.config_file)), since=since)
    exchange(daemon, server, upstream)


def test_log_file_is_reopened(keepwarm, tmp_path, http_origin):
    path, rotated = tmp_path / "keepwarm.log", tmp_path / "keepwarm.log.1"
    config = {"proxy": {"listen": ["127.0.0.1:0"]}, "log": {"file": str(path), "access": "text"}}
    daemon, server = keepwarm(config, wait=False), http_origin()
    eventually(lambda: path.exists() and "ready" in path.read_text())
    daemon.addresses = [re.search(r"listening on (\S+)", path.read_text())[1]]
    assert daemon.get(server.url("/before")).status == 200
    eventually(lambda: "/before" in path.read_text())
    path.rename(rotated)
    assert daemon.get(server.url("/renamed")).status == 200
    eventually(lambda: "/renamed" in rotated.read_text())
    daemon.signal(signal.SIGHUP)
    eventually(path.exists)
    assert daemon.get(server.url("/after")).status == 200
    eventually(lambda: "/after" in path.read_text())
    assert "/after" not in rotated.read_text()


def test_log_level_follows(keepwarm, origin):
    daemon, server = keepwarm({"log": {"level": "info"}}), origin()
    exchange(daemon, server)
    since = daemon.reload({"log": {"level": "debug"}})
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    assert "[debug]" not in "\n".join(daemon.log[:since])
    exchange(daemon, server, server.connections[0], answer=("Connection: close",))
    daemon.wait_log(r"\[debug\].*upstream \S+ closed: server said close")


def test_an_address_that_is_new_is_listened_on_and_one_that_is_gone_is_not(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    old = daemon.address()
    stays = daemon.client()
    since = daemon.reload({"proxy": {"listen": ["127.0.0.2:0"]}})
    new = daemon.wait_log(r"listening on (\S+)", since=since)[1]
    eventually(lambda: not connects(old))
    stays.send_request("GET", server.url())  # a client that came by the old address is served on
    assert stays.read_response().body == b"hello"
    daemon.addresses = [new]
    assert daemon.get(server.url()).body == b"hello"


def test_an_address_that_stays_is_never_closed(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    since = daemon.reload({"proxy": {"listen": [daemon.at, "127.0.0.2:0"]}})
    daemon.wait_log(r"listening on 127\.0\.0\.2:\d+", since=since)
    assert daemon.get(server.url()).body == b"hello"


def test_an_address_that_is_taken_is_logged_and_the_old_configuration_stays(keepwarm, origin, http_origin):
    daemon, server = keepwarm(), http_origin()
    taken = origin()
    since = daemon.reload({"proxy": {"listen": [f"127.0.0.1:{taken.port}"]}, **every_host(reuse=False)})
    daemon.wait_log(rf"\[error\].*127\.0\.0\.1:{taken.port}", since=since)
    for _ in range(3):
        assert daemon.get(server.url()).body == b"hello"
    assert server.used == [0, 0, 0]


def test_a_listen_option_stays_in_force(keepwarm, http_origin):
    daemon, server = keepwarm("", "--listen", "127.0.0.1:0"), http_origin()
    since = daemon.reload({"proxy": {"listen": ["127.0.0.2:0"]}})
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    assert daemon.get(server.url()).body == b"hello"
    assert not re.search(r"listening on 127\.0\.0\.2", daemon.log_text())


def test_proxy_settings_follow(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    assert serve(upstream, "ok", KEEP).has("via")
    finish(client)
    since = daemon.reload({"proxy": {"via": False}})
    daemon.wait_log(r"(?i)reload|configuration", since=since)
    client = begin(daemon, server)
    assert not serve(upstream).has("via")
    assert not finish(client).has("via")


def test_clients_that_wait_to_be_accepted_at_an_address_that_goes_are_served(keepwarm, http_origin):
    daemon, server = keepwarm(), http_origin()
    with standing_still(daemon):
        clients = [daemon.client() for _ in range(560)]  # more than are accepted in one turn of the loop
        for client in clients:
            client.send_request("GET", server.url())
        daemon.reload({"proxy": {"listen": ["127.0.0.2:0"]}})
    for client in clients:
        assert client.read_response().body == b"hello"


def test_a_lower_max_idle_holds_for_what_is_idle_already(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    oldest, second, newest = pooled(daemon, server, 3)
    daemon.reload(every_host(max_idle=1))
    assert oldest.wait_for_end() == "fin" and second.wait_for_end() == "fin"
    exchange(daemon, server, newest)
