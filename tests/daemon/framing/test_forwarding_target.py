"""The request target: absolute-form in, origin-form out, byte for byte (RFC 9112 §3.2)."""

import os

import pytest
from support.tier import no_privilege
from support.wiring import check_own_answer

PATHS = {
    "root": "/",
    "encoded slash": "/a%2Fb",
    "lower-case encoding": "/a%2fb%7e",
    "broken encoding": "/100%/%zz",
    "double slashes": "//a//b//",
    "dot segments": "/a/../b/./c",
    "empty query": "/?",
    "query": "/a?b=c&d=e",
    "query with question marks and slashes": "/a?b?c=/d?",
    "reserved bytes": "/;a=b,c'()*!$&+:@",
    "bytes that a URI must not have": "/\"<>\\^`{|}[]",
    "bytes beyond ASCII": "/\xe9\xff\x80",
    "a URL inside": "/http://other.example/x",
    "an at sign and a colon": "/user:secret@host",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_the_path_and_query_go_out_byte_for_byte(wire, path):
    w = wire()
    assert w.forwarded(f"GET http://{{at}}{path} HTTP/1.1\r\nHost: {{at}}\r\n\r\n").target == path


@pytest.mark.parametrize("given,expected", [("", "/"), ("?x=1", "/?x=1"), ("?", "/?")])
def test_an_empty_path_becomes_a_slash(wire, given, expected):
    w = wire()
    assert w.forwarded(f"GET http://{{at}}{given} HTTP/1.1\r\nHost: {{at}}\r\n\r\n").target == expected


def test_a_url_of_8_kib_passes(wire):
    path = "/" + "u" * (8 * 1024)
    assert wire().forwarded(f"GET http://{{at}}{path} HTTP/1.1\r\nHost: {{at}}\r\n\r\n").target == path


def test_an_ipv6_literal_is_reached_and_keeps_its_brackets(wire):
    w = wire(host="::1")
    request = w.forwarded("GET http://{at}/x HTTP/1.1\r\nHost: {at}\r\n\r\n")
    assert request.target == "/x"
    assert request.get("host") == f"[::1]:{w.server.port}"


def test_the_scheme_has_no_case(wire):
    assert wire().forwarded("GET HTTP://{at}/x HTTP/1.1\r\nHost: {at}\r\n\r\n").target == "/x"


def test_the_host_goes_out_in_the_case_that_was_sent(wire):
    w = wire()
    request = w.forwarded(f"GET http://LocalHost:{w.server.port}/ HTTP/1.1\r\nHost: LocalHost:{w.server.port}\r\n\r\n")
    assert request.get("host") == f"LocalHost:{w.server.port}"


@pytest.mark.parametrize("host", ["other.example", "", "other.example:1", "[::1]:80"])
def test_host_is_replaced_by_that_of_the_target(wire, host):
    w = wire()
    request = w.forwarded(f"GET http://{{at}}/ HTTP/1.1\r\nHost: {host}\r\n\r\n")
    assert request.all("host") == [w.server.at]


def test_an_http_1_0_request_without_host_gets_one(wire):
    w = wire()
    assert w.forwarded("GET http://{at}/ HTTP/1.0\r\n\r\n").all("host") == [w.server.at]


@pytest.fixture
def port_80(origin):
    """An origin on port 80 of a loopback address of its own."""
    number = os.getpid()
    try:
        return origin(host=f"127.{100 + (number >> 16) % 100}.{(number >> 8) % 256}.{number % 254 + 1}", port=80)
    except OSError as error:
        no_privilege(f"port 80 cannot be had: {error}")


@pytest.mark.parametrize("port,host_ends", [("", ("",)), (":80", (":80",)), (":", ("", ":"))])
def test_the_default_port_is_80(keepwarm, port_80, port, host_ends):
    client = keepwarm().client()
    client.send(f"GET http://{port_80.host}{port}/x HTTP/1.1\r\nHost: {port_80.host}\r\n\r\n")
    request = port_80.accept().read_request()
    assert request.target == "/x"
    assert request.get("host") in [port_80.host + end for end in host_ends]


REFUSED = {
    "origin-form": ("/x", 400),
    "asterisk-form for GET": ("*", 400),
    "authority-form for GET": ("{at}", 400),
    "no scheme": ("example.com/x", 400),
    "userinfo": ("http://user:secret@{at}/", 400),
    "a user": ("http://user@{at}/", 400),
    "a fragment": ("http://{at}/x#part", 400),
    "a fragment without a path": ("http://{at}#part", 400),
    "no host": ("http:///x", 400),
    "no host, but a port": ("http://:80/x", 400),
    "port 0": ("http://127.0.0.1:0/", 400),
    "port 65536": ("http://127.0.0.1:65536/", 400),
    "a port of letters": ("http://127.0.0.1:http/", 400),
    "a signed port": ("http://127.0.0.1:+80/", 400),
    "an IPv6 address without brackets": ("http://::1/", 400),
    "an open bracket": ("http://[::1/", 400),
    "no address in the brackets": ("http://[example]/", 400),
    "markup in the host": ("http://<b>x</b>/", 400),
    "a backslash in the host": ("http://127.0.0.1\\@{at}/", 400),
    "ftp": ("ftp://{at}/x", 501),
    "an unknown scheme": ("gopher+x://{at}/", 501),
    "ws without Upgrade": ("ws://{at}/", 501),
}


@pytest.mark.parametrize("target,status", REFUSED.values(), ids=REFUSED.keys())
def test_a_target_that_is_not_for_a_proxy_is_refused(wire, target, status):
    w = wire()
    response = w.send(f"GET {target} HTTP/1.1\r\nHost: {{at}}\r\n\r\n").read_response()
    assert response.status == status, response.body
    assert not w.server.connections
    w.expect_in_step(response)


@pytest.mark.parametrize("host,remedy", [("b\u00fccher.example", "xn--"), ("b%C3%BCcher.example", "xn--"),
                                         ("[fe80::1%25eth0]", "/etc/hosts"), ("[fe80::1%eth0]:80", "/etc/hosts")])
@pytest.mark.parametrize("host_field", ["127.0.0.1", None], ids=["another Host", "the same Host"])
def test_a_host_that_cannot_be_looked_up_is_400_with_the_remedy(keepwarm, host, remedy, host_field):
    client = keepwarm().client()
    client.send(f"GET http://{host}/ HTTP/1.1\r\nHost: {host_field or host}\r\n\r\n".encode())
    response = client.read_response()
    check_own_answer(response, 400, "http_request_error")
    assert remedy in response.body.decode(), response.body


CLIENT_HELLO = b"\x16\x03\x01"  # a TLS record of the handshake (RFC 8446 §5.1)


def test_https_in_absolute_form_is_spoken_as_tls(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    daemon.client().send(f"GET https://{server.at}/ HTTP/1.1\r\nHost: {server.at}\r\n\r\n")
    assert server.accept().read_exact(3) == CLIENT_HELLO


def test_wss_is_taken_as_https_in_a_request_with_upgrade(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    daemon.client().send(f"GET wss://{server.at}/ HTTP/1.1\r\nHost: {server.at}\r\n"
                         "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert server.accept().read_exact(3) == CLIENT_HELLO


HOSTS = {
    "none": "",
    "two": "Host: {at}\r\nHost: {at}\r\n",
    "two that differ": "Host: {at}\r\nHost: other\r\n",
    "a space inside": "Host: a b\r\n",
    "a slash": "Host: a/b\r\n",
    "userinfo": "Host: user@a\r\n",
    "a list": "Host: a, b\r\n",
    "a port of letters": "Host: a:b\r\n",
}


@pytest.mark.parametrize("hosts", HOSTS.values(), ids=HOSTS.keys())
def test_not_exactly_one_valid_host_is_400_even_in_absolute_form(wire, hosts):
    wire().refused(f"GET http://{{at}}/ HTTP/1.1\r\n{hosts}\r\n", 400)


def test_two_hosts_are_400_in_http_1_0_too(wire):
    wire().refused("GET http://{at}/ HTTP/1.0\r\nHost: {at}\r\nHost: {at}\r\n\r\n", 400)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "localhost.", "[::ffff:127.0.0.1]"])
def test_keepwarm_itself_is_400_and_no_loop(wire, name):
    w = wire()
    response = w.send(f"GET http://{name}:{w.daemon.port}/ HTTP/1.1\r\nHost: x\r\n\r\n").read_response()
    assert response.status == 400, response.body


@pytest.mark.parametrize("target", ["127.0.0.1", "127.9.9.9", "localhost"])
def test_keepwarm_itself_behind_a_wildcard_is_400_too(wire, target):
    w = wire({"proxy": {"listen": ["0.0.0.0:0"], "allow_clients": ["127.0.0.0/8"]}})
    client = w.daemon.client()
    client.send(f"GET http://{target}:{w.daemon.port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.read_response().status == 400
