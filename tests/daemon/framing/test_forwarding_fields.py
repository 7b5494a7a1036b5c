"""Fields: what passes untouched, what belongs to one hop only, what is added (RFC 9110 §7.6, RFC 9112 §9)."""

import re

import pytest

OURS = {"host", "via", "connection"}


def sent_on(request) -> list[tuple[str, str]]:
    """The fields that came from the client."""
    return [(name, value) for name, value in request.fields if name.lower() not in OURS]


def get(*fields: str) -> str:
    return "GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n" + "".join(f"{line}\r\n" for line in fields) + "\r\n"


def test_fields_pass_in_order_with_their_case_their_repetitions_and_their_bytes(wire):
    lines = ["accept: a", "X-Twice: 1", "X-Other:", "X-TWICE: 2", "X-Bytes: \xe9 \"<>\t;", "Cookie: a=b",
             "Authorization: Basic eA=="]
    request = wire().forwarded(get(*lines))
    assert [f"{name}: {value}".rstrip() for name, value in sent_on(request)] == lines


def test_nothing_about_the_client_is_added(wire):
    assert set(wire().forwarded(get()).names) == OURS


def test_response_fields_pass_in_order_with_their_case_and_their_repetitions(wire):
    lines = ["server: x", "Set-Cookie: a=1; Path=/", "X-Empty:", "Set-Cookie: b=2",
             "Date: Sun, 06 Nov 1994 08:49:37 GMT", "ETag: \"\xe9\""]
    response = wire().answered("\r\n".join(["HTTP/1.1 200 OK", *lines, "Content-Length: 0"]) + "\r\n\r\n")
    added = {"via", "keep-alive", "connection", "content-length"}
    assert [f"{name}: {value}".rstrip() for name, value in response.fields if name.lower() not in added] == lines


HOP_BY_HOP = ["Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: gzip", "Upgrade: foo",
              "Proxy-Authorization: Basic eA==", "HTTP2-Settings: AAMAAABk"]


@pytest.mark.parametrize("line", HOP_BY_HOP)
def test_a_hop_by_hop_field_of_the_client_is_not_passed_on(wire, line):
    assert sent_on(wire().forwarded(get("A: 1", line, "B: 2"))) == [("A", "1"), ("B", "2")]


@pytest.mark.parametrize("connection",
                         ["X-Hop", "x-hop, Other", "close, X-HOP", " , X-hop ,", "keep-alive\r\nConnection: x-hop"])
def test_what_connection_nominates_is_not_passed_on(wire, connection):
    request = wire().forwarded(get("X-Hop: secret", "Stays: 1", f"Connection: {connection}", "x-HOP: again"))
    assert sent_on(request) == [("Stays", "1")]
    assert request.tokens("connection") == ["keep-alive"]


@pytest.mark.parametrize("name", ["Host", "Content-Length"])
def test_host_and_framing_are_kept_though_nominated(wire, name):
    w = wire()
    framing = "Content-Length: 3\r\n"
    request = w.forwarded(f"POST http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\n{framing}Connection: {name}\r\n\r\nabc")
    assert request.get("host") == w.server.at
    assert request.length() == 3 and request.body == b"abc"


def test_transfer_encoding_is_kept_though_nominated(wire):
    request = wire().forwarded(
        "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nTransfer-Encoding: chunked\r\n"
        "Connection: Transfer-Encoding\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert request.body == b"abc"


def test_hop_by_hop_fields_of_a_response_are_not_passed_on(wire):
    response = wire().answered(
        "HTTP/1.1 401 No\r\nA: 1\r\nConnection: X-Hop\r\nX-Hop: secret\r\nKeep-Alive: timeout=3, max=7\r\n"
        "Proxy-Connection: close\r\n"
        "Proxy-Authenticate: Basic\r\nWWW-Authenticate: Basic\r\nUpgrade: foo\r\nContent-Length: 0\r\n\r\n")
    for name in ("x-hop", "proxy-connection", "proxy-authenticate", "upgrade"):
        assert not response.has(name), name
    assert response.get("a") == "1" and response.get("www-authenticate") == "Basic"
    assert response.get("keep-alive") == "timeout=60"


@pytest.mark.parametrize("name", ["Content-Length", "Connection"])
def test_framing_of_a_response_is_kept_though_nominated(wire, name):
    response = wire().answered(f"HTTP/1.1 200 OK\r\nConnection: {name}\r\nContent-Length: 3\r\n\r\nabc")
    assert response.length() == 3 and response.body == b"abc"


def test_an_origins_407_passes_without_its_challenge(wire):
    response = wire().answered("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
    assert response.status == 407 and not response.has("proxy-authenticate")


@pytest.mark.parametrize("connection",
                         ["", "Connection: close\r\n", "Connection: keep-alive\r\n", "Proxy-Connection: close\r\n"])
def test_the_origin_is_asked_to_keep_the_connection_whatever_the_client_wants(wire, connection):
    request = wire().forwarded(f"GET http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\n{connection}\r\n")
    assert request.all("connection") == ["keep-alive"]


def test_a_date_is_added_to_a_response_that_has_none(wire):
    value = wire().answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").get("date")
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", value)


def test_a_date_that_is_there_is_left_alone(wire):
    response = wire().answered("HTTP/1.1 200 OK\r\nDate: some day\r\nContent-Length: 0\r\n\r\n")
    assert response.all("date") == ["some day"]


# Via


def members(message) -> list[str]:
    return [part.strip() for value in message.all("via") for part in value.split(",")]


def test_via_names_this_process_on_both_sides(wire):
    w = wire()
    upstream = w.ask()
    request = upstream.read_request()
    upstream.answer()
    response = w.client.read_response()
    assert re.fullmatch(r"1\.1 keepwarm-[0-9a-f]{8}", request.get("via"))
    assert response.get("via") == request.get("via")


def test_the_pseudonym_is_unique_to_the_process(wire):
    assert wire().forwarded(get()).get("via") != wire().forwarded(get()).get("via")


def test_via_tells_the_version_that_came_in(wire):
    w = wire()
    assert w.forwarded("GET http://{at}/ HTTP/1.0\r\n\r\n").get("via").startswith("1.0 keepwarm-")
    w.drop_upstream()
    assert w.answered("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").get("via").startswith("1.0 keepwarm-")


def test_via_goes_behind_those_that_are_there(wire):
    w = wire()
    request = w.forwarded(get("Via: 1.0 fred, 1.1 p.example.net", "X: y", "Via: 2 other (Comment)"))
    assert members(request)[:-1] == ["1.0 fred", "1.1 p.example.net", "2 other (Comment)"]
    w.drop_upstream()
    response = w.answered("HTTP/1.1 200 OK\r\nVia: 1.1 cache\r\nContent-Length: 0\r\n\r\n")
    assert members(response)[0] == "1.1 cache" and len(members(response)) == 2
    assert members(response)[1] == members(request)[-1]


def test_via_false_adds_none_and_leaves_the_others(wire):
    w = wire("[proxy]\nvia = false")
    assert w.forwarded(get()).all("via") == []
    w.drop_upstream()
    assert w.forwarded(get("Via: 1.1 other")).all("via") == ["1.1 other"]
    w.drop_upstream()
    assert w.answered("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").all("via") == []


@pytest.mark.parametrize("shape",
                         ["{}", "1.1 other, {}", "{}, 1.1 other", "1.1 other\r\nVia: {}", "{} (a comment)", "HTTP/{}"])
def test_a_request_that_was_here_before_is_a_loop_and_508(wire, shape):
    w = wire()
    own = w.forwarded(get()).get("via")
    response = w.daemon.request("GET", w.url(), "Via: " + shape.format(own))
    assert response.status == 508
    assert "error=proxy_loop_detected" in response.get("proxy-status")
    assert len(w.server.connections) == 1


@pytest.mark.parametrize("first", ['1.1 x "', "1.1 x (", "1.1 x (\\"], ids=["a quote", "a comment", "an escape"])
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_nothing_that_is_never_closed_hides_a_loop(wire, method, first):
    w = wire({"proxy": {"connect_ports": ["1-65535"]}})
    own = w.forwarded(get()).get("via")
    target = w.server.at if method == "CONNECT" else w.url()
    w.send(f"{method} {target} HTTP/1.1\r\nHost: {w.server.at}\r\nVia: {first}, {own}, 1.1 squid (squid/5.7)\r\n\r\n")
    assert w.client.read_response(method).status == 508
    assert len(w.server.connections) == 1


def test_another_keepwarm_in_via_is_no_loop(wire):
    assert members(wire().forwarded(get("Via: 1.1 keepwarm-zzzzzzzz")))[0] == "1.1 keepwarm-zzzzzzzz"
