"""Any method, and those with a meaning for proxies: OPTIONS, TRACE, Max-Forwards (RFC 9110 §7.6.2, §9.3)."""

import pytest


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "FROBNICATE", "get", "M-SEARCH", "PRI",
                                    "!#$%&'*+-.^_`|~1", "X" * 200])
def test_any_method_token_is_forwarded(wire, method):
    request = wire().forwarded(f"{method} http://{{at}}/x HTTP/1.1\r\nHost: {{at}}\r\nContent-Length: 3\r\n\r\nabc")
    assert (request.method, request.target, request.body) == (method, "/x", b"abc")


@pytest.mark.parametrize("method", ["G(ET", "GE\tT", "GET\x01", "\xe9GET", "G{T", "GET,", ""])
def test_a_method_that_is_no_token_is_400(wire, method):
    wire().refused(f"{method} http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\n\r\n", 400)


def test_methods_have_case_so_connect_in_lower_case_is_no_connect(wire):
    wire({"proxy": {"connect_ports": ["1-65535"]}}).answered_by_itself("connect {at} HTTP/1.1\r\nHost: {at}\r\n\r\n",
                                                                       400)


@pytest.mark.parametrize("path,target", [("", "*"), ("/", "/"), ("/x", "/x"), ("?q", "/?q")])
def test_options_without_a_path_goes_out_as_an_asterisk(wire, path, target):
    request = wire().forwarded(f"OPTIONS http://{{at}}{path} HTTP/1.1\r\nHost: {{at}}\r\n\r\n")
    assert (request.method, request.target) == ("OPTIONS", target)


def test_options_asterisk_is_about_the_proxy_and_goes_nowhere(wire):
    w = wire()
    response = w.send("OPTIONS * HTTP/1.1\r\nHost: {at}\r\n\r\n").read_response()
    assert response.status in (200, 204, 400)
    assert not w.server.connections


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
@pytest.mark.parametrize("given,passed", [("1", "0"), ("10", "9"), ("007", "6")])
def test_max_forwards_counts_down(wire, method, given, passed):
    request = wire().forwarded(f"{method} http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\nMax-Forwards: {given}\r\n\r\n")
    assert int(request.get("max-forwards")) == int(passed)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "FROBNICATE"])
def test_max_forwards_is_for_options_and_trace_only(wire, method):
    request = wire().forwarded(f"{method} http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\nMax-Forwards: 0\r\n\r\n")
    assert request.get("max-forwards") == "0"


@pytest.mark.parametrize("value", ["9" * 30, "abc", "-1", ""])
def test_an_odd_max_forwards_stops_nothing(wire, value):
    w = wire()
    client = w.send(f"OPTIONS http://{{at}}/ HTTP/1.1\r\nHost: {{at}}\r\nMax-Forwards: {value}\r\n\r\n")
    upstream = w.server.accept()
    upstream.read_request()
    upstream.answer()
    assert client.read_response().status == 200


def test_options_at_zero_is_answered_here(wire):
    wire().answered_by_itself("OPTIONS http://{at}/ HTTP/1.1\r\nHost: {at}\r\nMax-Forwards: 0\r\n\r\n", 200, "OPTIONS")


def test_trace_at_zero_echoes_the_request_without_secrets(wire):
    w = wire()
    response = w.answered_by_itself(
        "TRACE http://{at}/x?y HTTP/1.1\r\nHost: {at}\r\nMax-Forwards: 0\r\nX-Seen: yes\r\n"
        "Cookie: c00kie\r\nAuthorization: Basic s3cret\r\n"
        "Proxy-Authorization: Basic pr0xy\r\n\r\n", 200, "TRACE")
    assert response.get("content-type") == "message/http"
    assert response.body.startswith(w.text("TRACE http://{at}/x?y HTTP/1.1\r\n"))
    assert b"X-Seen: yes" in response.body
    for secret in (b"c00kie", b"s3cret", b"pr0xy"):
        assert secret not in response.body


@pytest.mark.parametrize("framing,body", [("Content-Length: 40", "GET http://{at}/evil HTTP/1.1\r\n\r\n".ljust(40)),
                                          ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")])
def test_the_body_of_a_request_that_is_answered_here_is_never_read_as_a_request(wire, framing, body):
    w = wire()
    body = body.replace("{at}", w.server.at)[:40] if framing.startswith("Content") else body
    w.send("OPTIONS http://{at}/ HTTP/1.1\r\nHost: {at}\r\nMax-Forwards: 0\r\n" + f"{framing}\r\n\r\n{body}")
    response = w.client.read_response()
    assert response.status == 200
    w.expect_in_step(response)
