"""Clients that speak something else than HTTP/1.1 to the proxy by mistake: the log names the remedy."""

import json
import shutil
import ssl
import subprocess

import pytest
from support.wiring import check_own_answer

pytestmark = pytest.mark.own_daemon  # a warning that repeats would only be counted

TLS = r"127\.0\.0\.1: TLS on a plain port: use http:// in https_proxy"
SOCKS = r"127\.0\.0\.1: SOCKS on an HTTP port: use http://, not socks://, for the proxy"
HTTP2 = r"127\.0\.0\.1: HTTP/2 on an HTTP/1\.1 port: use HTTP/1\.1 with the proxy"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="proxy.example")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


HELLO = client_hello()
MISTAKEN = {"TLS": (HELLO, TLS), "SOCKS5": (b"\x05\x01\x00", SOCKS), "SOCKS4": (b"\x04\x01\x00P\x7f\x00\x00\x01\x00", SOCKS)}
mistaken = pytest.mark.parametrize("sent,line", MISTAKEN.values(), ids=MISTAKEN.keys())


@mistaken
def test_it_is_named_in_the_log_and_closed_without_an_answer(keepwarm, sent, line):
    daemon = keepwarm()
    client = daemon.client()
    client.send(sent)
    daemon.wait_log(line)
    client.expect_eof()


@mistaken
def test_however_it_is_cut(keepwarm, sent, line):
    daemon = keepwarm()
    client = daemon.client()
    client.send(sent[:1])
    daemon.wait_log(line)
    client.send(sent[1:])
    client.expect_eof()


def test_behind_a_request_too(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    client = daemon.client()
    client.send_request("GET", server.url())
    upstream = server.accept()
    upstream.read_request()
    upstream.answer("ok")
    assert client.read_response().body == b"ok"
    client.send(HELLO)
    daemon.wait_log(TLS)
    client.expect_eof()


def test_the_access_log_has_a_line_without_a_status(keepwarm):
    daemon = keepwarm({"log": {"access": "json"}})
    client = daemon.client()
    client.send(HELLO)
    client.expect_eof()
    record = json.loads(daemon.wait_log(r'^{.*"kind":"access".*}$')[0])
    assert (record["status"], record["end"], record["error"]) == (0, "keepwarm", "http_request_error")
    assert record["reason"] == "TLS on a plain port: use http:// in https_proxy"


def test_the_preface_of_http_2_is_answered_505_and_named(keepwarm):
    daemon = keepwarm()
    client = daemon.client()
    client.send(PREFACE)
    response = client.read_response()
    check_own_answer(response, 505, "http_request_error")
    assert b"use HTTP/1.1 with the proxy" in response.body
    daemon.wait_log(HTTP2)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("scheme,line", [("https", TLS), ("socks5h", SOCKS), ("socks4", SOCKS)])
def test_curl_with_the_wrong_scheme_ends_at_once(keepwarm, scheme, line):
    daemon = keepwarm()
    command = ["curl", "-sS", "-m", "30", "--noproxy", "", "-x", f"{scheme}://{daemon.at}", "http://127.0.0.1:9/"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode not in (0, 28), done
    daemon.wait_log(line)
