"""Plain http:// requests through a parent when something fails: the same tables as without one, and never the origin itself
in the parent's stead (core/doc/design.md §6.5, §7)."""

import pytest
from helpers_names import NameServer, own_names
from helpers_parent import HTTPS, NAME, ask, through, trusting_through
from helpers_pool import KEEP, end_connections, every_host, finish, serve, settle
from helpers_tls import together
from support.stalls import real_time
from support.waiting import eventually
from support.wiring import check_own_answer

HTTP = f"http://{NAME}/"
REQUEST_TIMEOUT = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow"


def warm(daemon, parent):
    """An idle connection at the parent, which has served another host."""
    client = ask(daemon, "http://other.test/")
    upstream = parent.accept()
    serve(upstream, "ok", KEEP)
    finish(client)
    return upstream


def stale(daemon, parent, how: str, method: str = "GET", body=None):
    """A client whose request met the end of a warm connection."""
    upstream = warm(daemon, parent)
    client = ask(daemon, HTTP, method, body=body)
    assert upstream.read_request().target == HTTP
    {"fin": upstream.close, "rst": upstream.reset, "408": lambda: upstream.send(REQUEST_TIMEOUT)}[how]()
    return client


# The connection fails


@pytest.mark.parametrize("how", ["fin", "rst", "408"])
@pytest.mark.parametrize("method,body", [("GET", None), ("PUT", b"data")])
def test_a_stale_failure_is_repeated_on_a_fresh_connection(keepwarm, origin, how, method, body):
    parent = origin()
    daemon = keepwarm(through(parent, "user:secret@"))
    client = stale(daemon, parent, how, method, body)
    again = serve(parent.accept(), "ok", KEEP)
    assert (again.method, again.target, again.body) == (method, HTTP, body or b"") and again.has("proxy-authorization")
    finish(client)
    parent.expect_no_connection()


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_post_is_not_repeated(keepwarm, origin, how):
    parent = origin()
    client = stale(keepwarm(through(parent)), parent, how, "POST", b"data")
    check_own_answer(client.read_response(), 502, "connection_terminated", NAME)
    parent.expect_no_connection()


def test_a_408_for_a_post_is_passed_on(keepwarm, origin):
    parent = origin()
    finish(stale(keepwarm(through(parent)), parent, "408", "POST", b"data"), "slow", status=408)
    parent.expect_no_connection()


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_fresh_connection_that_ends_is_502(keepwarm, origin, how):
    parent = origin()
    client = ask(keepwarm(through(parent)), HTTP)
    upstream = parent.accept()
    upstream.read_request()
    upstream.close() if how == "fin" else upstream.reset()
    check_own_answer(client.read_response(), 502, "connection_terminated", NAME)
    parent.expect_no_connection()


def test_a_second_failure_is_502(keepwarm, origin):
    parent = origin()
    client = stale(keepwarm(through(parent)), parent, "fin")
    fresh = parent.accept()
    fresh.read_request()
    fresh.close()
    check_own_answer(client.read_response(), 502, "connection_terminated", NAME)
    parent.expect_no_connection()


def test_a_stale_failure_of_one_host_closes_what_is_as_old_for_all(keepwarm, origin):
    """They are connections to one server, whatever the hosts were."""
    parent = origin()
    daemon = keepwarm(through(parent))
    clients, upstreams = [], []
    for number in range(3):
        clients.append(ask(daemon, f"http://host{number}.test/"))
        upstreams.append(parent.accept())
        upstreams[-1].read_request()
    for client, upstream in zip(clients, upstreams):
        upstream.answer("ok", "200 OK", KEEP)
        finish(client)
    client = ask(daemon, HTTP)
    upstreams[-1].read_request()
    upstreams[-1].close()
    serve(parent.accept(), "ok", "Connection: close")
    finish(client)
    assert upstreams[0].wait_for_end() and upstreams[1].wait_for_end()


def test_a_restart_of_the_parent_is_not_seen(keepwarm, http_origin):
    parent = http_origin()
    daemon = keepwarm(through(parent))
    assert daemon.get("http://a.test/").status == 200
    end_connections(parent, "fin")
    assert daemon.get("http://b.test/").status == 200
    assert daemon.get("http://a.test/").status == 200


# The parent is not reached


def test_a_parent_that_refuses_connections_is_502_and_the_answer_names_the_requests_host(keepwarm, origin):
    parent = origin(accepting=False)
    check_own_answer(keepwarm(through(parent)).get(HTTP), 502, "connection_refused", f"{NAME}:80")


@real_time
def test_a_parent_that_hangs_is_504(keepwarm, origin):
    parent = origin(accepting=False)
    parent.fill_backlog()
    check_own_answer(keepwarm(through(parent, connect_timeout="300ms")).get(HTTP), 504, "connection_timeout", NAME)


def test_a_parent_whose_name_does_not_exist_is_502_and_the_answer_tells_which_name(keepwarm, tmp_path):
    daemon = keepwarm(every_host(parent="http://user:secret@proxy.none.test:3128"), wrapper=own_names(tmp_path))
    response = daemon.get(HTTP)
    check_own_answer(response, 502, "dns_error", NAME)
    assert "parent" in response.body.decode()


@real_time
def test_a_parent_that_does_not_answer_is_504(keepwarm, origin):
    parent = origin()
    client = ask(keepwarm(through(parent, response_timeout="300ms")), HTTP)
    upstream = parent.accept()
    upstream.read_request()
    check_own_answer(client.read_response(), 504, "http_response_timeout", NAME)
    assert upstream.wait_for_end()




@real_time
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_the_origin_is_never_asked_in_the_parents_stead(keepwarm, origin, how, scheme):
    server, parent = origin(), origin(accepting=False)
    if how == "hangs":
        parent.fill_backlog()
    daemon = keepwarm(through(parent, connect_timeout="300ms"))
    assert daemon.get(f"{scheme}://{server.at}/").status == (502 if how == "refuses" else 504)
    server.expect_no_connection()


def test_names_are_the_parents_to_look_up(keepwarm, origin, tmp_path):
    names = NameServer({NAME: ["127.0.0.1"]})
    try:
        parent = origin()
        daemon = keepwarm(through(parent), wrapper=own_names(tmp_path, name_servers=[names]))
        client = ask(daemon, HTTP)
        serve(parent.accept())
        finish(client)
        assert names.queries == []
    finally:
        names.close()


# What the parent answers


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "500 Oops", "502 Bad Gateway", "503 Busy",
                                    "511 Network Authentication Required", "304 Not Modified", "302 Found"])
def test_the_parents_answers_are_the_answer(keepwarm, origin, status):
    parent = origin()
    client = ask(keepwarm(through(parent)), HTTP)
    upstream = parent.accept()
    upstream.read_request()
    body = "" if status.startswith("304") else "why"
    upstream.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nX-Cache: MISS\r\nLocation: /else\r\n"
                  f"Via: 1.1 parent\r\nProxy-Status: parent; error=dns_error\r\n\r\n{body}")
    response = client.read_response()
    assert (f"{response.status} {response.reason}", response.body) == (status, body.encode())
    assert response.get("x-cache") == "MISS" and response.get("location") == "/else"
    assert response.all("proxy-status") == ["parent; error=dns_error"]


CHALLENGE = ("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=parent\r\n"
             "Content-Length: 6\r\n\r\nlog in")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("credentials", ["", "user:s3cr3t@"])
def test_a_407_is_ours_and_not_the_clients(keepwarm, origin, method, credentials):
    parent = origin()
    client = ask(keepwarm(through(parent, credentials)), HTTP, method, body=b"x" if method == "POST" else None)
    upstream = parent.accept()
    upstream.read_request()
    upstream.send(CHALLENGE if method != "HEAD" else CHALLENGE[:-6])
    response = client.read_response(method)
    assert response.status == 502 and not response.has("proxy-authenticate")
    assert response.get("proxy-status").startswith("keepwarm; error=proxy_configuration_error")
    if method != "HEAD":
        check_own_answer(response, 502, "proxy_configuration_error", NAME)
        assert "407" in response.body.decode() and "s3cr3t" not in response.body.decode()
    parent.expect_no_connection()
    assert upstream.wait_for_end()


@pytest.mark.parametrize("url", [HTTP, HTTPS])
def test_a_parent_that_offers_only_negotiate_is_named_with_the_remedy(keepwarm, origin, url):
    parent = origin()
    client = ask(keepwarm(trusting_through(parent)), url)
    upstream = parent.accept()
    upstream.read_request_head()
    upstream.send("HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n")
    response = client.read_response()
    check_own_answer(response, 502, "proxy_configuration_error", NAME)
    assert "offers only Negotiate, NTLM (407)" in response.body.decode() and "cntlm" in response.body.decode()


def test_after_a_407_the_client_connection_goes_on(keepwarm, origin):
    parent = origin()
    client = ask(keepwarm(through(parent)), HTTP)
    upstream = parent.accept()
    upstream.read_request()
    upstream.send(CHALLENGE)
    check_own_answer(client.read_response(), 502, "proxy_configuration_error", NAME)
    client.send_request("GET", HTTP)
    serve(parent.accept())
    finish(client)


def test_a_407_of_an_origin_without_a_parent_is_passed_on(keepwarm, origin):
    server = origin()
    daemon = keepwarm()
    client = ask(daemon, server.url())
    upstream = server.accept()
    upstream.read_request()
    upstream.send(CHALLENGE)
    finish(client, "log in", status=407)


# Afterwards


def test_no_descriptor_is_left_behind(keepwarm, origin):
    refusing, parent = origin(accepting=False), origin()
    other = {"host": {"refused.test": {"parent": f"http://{refusing.at}"}}}
    daemon = keepwarm(together(through(parent, reuse=False), other))
    settle(daemon)
    baseline = daemon.fd_count()
    for _ in range(5):
        assert daemon.get("http://refused.test/").status == 502
        client = ask(daemon, HTTP)
        upstream = parent.accept()
        upstream.read_request()
        upstream.send(CHALLENGE)
        assert client.read_response().status == 502
        client.close()
        assert upstream.wait_for_end()
    eventually(lambda: daemon.fd_count() <= baseline, message="as many descriptors as before")
