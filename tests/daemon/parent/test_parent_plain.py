"""Plain http:// requests through a parent: sent with their whole URL, on connections that all hosts share (core/doc/design.md §4)."""

import pytest
from helpers_parent import NAME, ask, basic, through
from helpers_pool import KEEP, every_host, finish, serve
from helpers_tls import together
from support.client import request_bytes
from support.wire import Request
from support.wiring import OK


def forwarded(daemon, parent, data: str | bytes) -> Request:
    """What the parent sees of a request that a new client sends; it is answered "ok", and so is the client."""
    client = daemon.client()
    client.send(data)
    upstream = parent.accept()
    request = upstream.read_request()
    upstream.send(OK[:-2] if request.method == "HEAD" else OK)
    assert client.read_response(request.method).status == 200
    upstream.close()
    client.close()
    return request


def head(target: str, *fields: str, method: str = "GET") -> bytes:
    return request_bytes(method, target, *fields)


# The head


TARGETS = [
    f"http://{NAME}/",
    f"http://{NAME}/a/../b/./c//d;e=%7e%2F?q=1&r=%20|x[]",
    f"http://{NAME}:8080/port",
    f"http://{NAME}:80/its-default",
    f"http://{NAME.upper()}/Case?Q",
    f"http://{NAME}/?",
    "http://203.0.113.7:8080/",
    "http://[2001:db8::1]/",
    "http://[2001:DB8:0::1]:8080/x",
    f"http://{NAME}/" + "x" * 8000,
    f"http://{NAME}/\xe4\xf6",
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[7:60])
def test_the_url_goes_out_as_it_came(keepwarm, origin, target):
    parent = origin()
    request = forwarded(keepwarm(through(parent)), parent, head(target))
    assert request.target == target
    assert request.get("host") == target.split("/")[2]


@pytest.mark.parametrize("came,goes", [(f"http://{NAME}", f"http://{NAME}/"), (f"http://{NAME}?q=1", f"http://{NAME}/?q=1"),
                                       ("http://[::ffff:203.0.113.7]", "http://[::ffff:203.0.113.7]/"),
                                       (f"HTTP://{NAME}/x", f"http://{NAME}/x")])
def test_a_url_is_made_whole(keepwarm, origin, came, goes):
    parent = origin()
    assert forwarded(keepwarm(through(parent)), parent, head(came)).target == goes


def test_the_host_field_is_the_urls_whatever_the_client_sent(keepwarm, origin):
    parent = origin()
    request = forwarded(keepwarm(through(parent)), parent, head(f"http://{NAME}:8080/", "Host: other.test"))
    assert request.all("host") == [f"{NAME}:8080"]


@pytest.mark.parametrize("came,goes", [(f"http://{NAME}", f"http://{NAME}"), (f"http://{NAME}:81", f"http://{NAME}:81"),
                                       (f"http://{NAME}/", f"http://{NAME}/"), (f"http://{NAME}?q", f"http://{NAME}/?q")])
def test_options_without_a_path_stays_so_for_the_last_proxy_to_make_a_star_of_it(keepwarm, origin, came, goes):
    """RFC 9112 §3.2.4."""
    parent = origin()
    assert forwarded(keepwarm(through(parent)), parent, head(came, method="OPTIONS")).target == goes


@pytest.mark.parametrize("scheme", ["ws", "WS", "http"])
def test_an_upgrade_goes_to_the_parent_as_http(keepwarm, origin, scheme):
    parent = origin()
    daemon = keepwarm(through(parent))
    client = ask(daemon, f"{scheme}://{NAME}/chat", "GET", "Connection: upgrade", "Upgrade: websocket")
    upstream = parent.accept()
    request = upstream.read_request()
    assert request.target == f"http://{NAME}/chat" and request.tokens("upgrade") == ["websocket"]
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst")
    assert client.read_response().status == 101
    assert client.read_exact(5) == b"first"
    client.send("second")
    assert upstream.read_exact(6) == b"second"


def test_it_is_a_forwarded_request_like_every_other(keepwarm, origin):
    parent = origin()
    request = forwarded(keepwarm(through(parent)), parent, head(
        f"http://{NAME}/", "Proxy-Connection: keep-alive", "Connection: close, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5",
        "TE: trailers", "X-End: to end", "Via: 1.0 fred", method="GET"))
    assert request.tokens("connection") == ["keep-alive"]
    assert not {"proxy-connection", "x-hop", "keep-alive", "proxy-authorization"} & set(request.names)
    assert request.get("x-end") == "to end"
    assert request.all("via")[0] == "1.0 fred" and request.all("via")[1].startswith("1.1 keepwarm-")


def test_without_reuse_the_parent_is_not_asked_to_keep_the_connection(keepwarm, origin):
    parent = origin()
    request = forwarded(keepwarm(through(parent, reuse=False)), parent, head(f"http://{NAME}/"))
    assert request.tokens("connection") == ["close"]


def test_a_body_passes_both_ways(keepwarm, origin):
    parent = origin()
    client = ask(keepwarm(through(parent)), f"http://{NAME}/", "POST", body=b"x" * 300_000)
    upstream = parent.accept()
    assert upstream.read_request().body == b"x" * 300_000
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert client.read_response().body == b"hello"


# Credentials


@pytest.mark.parametrize("in_url,plain", [("user:secret", "user:secret"), ("user", "user:"), ("user:", "user:"),
                                          ("us%65r:p%40ss%3Aw%2Frd%25", "user:p@ss:w/rd%"), ("a:b:c", "a:b:c"),
                                          ("%C3%A4:%E2%82%AC", "ä:€"), (":secret", ":secret")])
def test_credentials_of_the_parents_url_go_along(keepwarm, origin, in_url, plain):
    parent = origin()
    request = forwarded(keepwarm(through(parent, in_url + "@")), parent, head(f"http://{NAME}/"))
    assert request.all("proxy-authorization") == [basic(plain)]


def test_without_credentials_there_is_no_such_field_and_a_clients_own_is_not_passed_on(keepwarm, origin):
    parent = origin()
    client_own = f"Proxy-Authorization: {basic('client:own')}"
    request = forwarded(keepwarm(through(parent)), parent, head(f"http://{NAME}/", client_own))
    assert not request.has("proxy-authorization")


def test_ours_replace_those_of_the_client(keepwarm, origin):
    parent = origin()
    client_own = f"Proxy-Authorization: {basic('client:own')}"
    request = forwarded(keepwarm(through(parent, "user:secret@")), parent, head(f"http://{NAME}/", client_own))
    assert request.all("proxy-authorization") == [basic("user:secret")]


def test_a_host_that_is_reached_directly_sees_no_credentials(keepwarm, origin):
    parent, server = origin(), origin()
    daemon = keepwarm(together(through(parent, "user:secret@"), {"host": {"127.0.0.1": {"parent": ""}}}))
    request = forwarded(daemon, server, head(server.url("/direct")))
    assert request.target == "/direct" and not request.has("proxy-authorization")
    parent.expect_no_connection()


# The pool


def test_requests_for_many_hosts_share_a_connection(keepwarm, http_origin):
    parent = http_origin()
    daemon = keepwarm(through(parent, "user:secret@"))
    urls = [f"http://{name}/" for name in ("a.test", "b.test", "b.test:8080", "203.0.113.7", "[2001:db8::1]", "a.test")]
    for url in urls:
        assert daemon.get(url).body == b"hello"
    assert [request.target for request in parent.requests] == urls
    assert parent.used == [0] * len(urls)
    assert all(request.get("proxy-authorization") == basic("user:secret") for request in parent.requests)


def test_requests_for_other_hosts_on_one_client_connection_share_it_too(keepwarm, http_origin):
    parent = http_origin()
    client = keepwarm(through(parent)).client()
    for number in range(5):
        assert client.get(f"http://host{number}.test/").status == 200
    assert parent.used == [0] * 5


DIFFERENT = {
    "credentials": lambda at: {"parent": f"http://user:secret@{at}"},
    "password": lambda at: {"parent": f"http://user:other@{at}"},
    "response_timeout": lambda at: {"parent": f"http://{at}", "response_timeout": "4m"},
    "connect_timeout": lambda at: {"parent": f"http://{at}", "connect_timeout": "4s"},
}


@pytest.mark.parametrize("different", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_hosts_with_other_settings_or_credentials_do_not_share(keepwarm, http_origin, different):
    parent = http_origin()
    credentials = "user:secret@" if different is DIFFERENT["password"] else ""
    config = together(through(parent, credentials), {"host": {"*.other.test": different(parent.at)}})
    daemon = keepwarm(config)
    for host in ("a.test", "a.other.test", "b.test", "b.other.test"):
        assert daemon.get(f"http://{host}/").status == 200
    assert parent.used == [0, 1, 0, 1]


def test_two_parents_do_not_share(keepwarm, http_origin):
    parents = http_origin(), http_origin()
    daemon = keepwarm(together(through(parents[0]), {"host": {"*.other.test": {"parent": f"http://{parents[1].at}"}}}))
    for host in ("a.test", "a.other.test", "b.test", "b.other.test"):
        assert daemon.get(f"http://{host}/").status == 200
    assert [[request.get("host") for request in parent.requests] for parent in parents] == [
        ["a.test", "b.test"], ["a.other.test", "b.other.test"]]
    assert [parent.used for parent in parents] == [[0, 0], [0, 0]]


def test_the_parent_as_an_origin_has_connections_of_its_own(keepwarm, http_origin):
    """What is for the parent itself is in origin-form; on a connection for the others it would be of the wrong form."""
    parent = http_origin()
    daemon = keepwarm(together(through(parent), {"host": {"127.0.0.1": {"parent": ""}}}))
    assert daemon.get("http://a.test/").status == 200
    assert daemon.get(parent.url("/status")).status == 200
    assert [request.target for request in parent.requests] == ["http://a.test/", "/status"]
    assert parent.used == [0, 1]


def test_the_limit_of_connections_is_for_the_parent(keepwarm, origin):
    parent = origin()
    daemon = keepwarm(through(parent, max_connections=1))
    first, second = ask(daemon, "http://a.test/"), ask(daemon, "http://b.test/")
    upstream = parent.accept()
    for client, url in ((first, "http://a.test/"), (second, "http://b.test/")):
        assert serve(upstream, "ok", KEEP).target == url
        finish(client)
    parent.expect_no_connection()


def test_a_parent_at_an_ipv6_address(keepwarm, http_origin):
    parent = http_origin(host="::1")
    daemon = keepwarm(through(parent, "user:secret@"))
    assert daemon.get("http://a.test/").status == 200
    assert parent.requests[0].get("proxy-authorization") == basic("user:secret")


def test_a_parent_behind_a_name_is_looked_up(keepwarm, http_origin):
    parent = http_origin()
    daemon = keepwarm(every_host(parent=f"http://LocalHost.:{parent.port}/"))
    assert daemon.get("http://a.test/").status == 200
    assert parent.requests[0].target == "http://a.test/" and parent.requests[0].get("host") == "a.test"
