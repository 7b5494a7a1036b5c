"""Interim responses and Expect: 100-continue (RFC 9110 §10.1.1, §15.2)."""

import pytest
from support.stream import Cut
from support.wiring import check_own_answer


def test_interim_responses_pass_with_their_fields(wire):
    response = wire().answered("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n"
                               "Connection: X-Hop\r\nX-Hop: 1\r\n\r\n"
                               "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n"
                               "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert [interim.status for interim in response.interim] == [103, 102, 199]
    assert response.interim[0].all("link") == ["</a>", "</b>"] and not response.interim[0].has("x-hop")
    assert response.body == b"ok"


def test_an_interim_response_passes_before_the_final_one_is_there(wire):
    w = wire()
    w.ask().read_request()
    w.upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert w.client.read_response_head().status == 103
    w.upstream.answer("ok")
    assert w.client.read_response().body == b"ok"


def test_hundreds_of_interim_responses_pass(wire):
    w = wire()
    w.ask("PUT", body=b"x" * 1000).read_request()
    for _ in range(4):
        w.upstream.send("HTTP/1.1 104 Upload Resumption Supported\r\nUpload-Offset: 500\r\n\r\n" * 100)
        for _ in range(100):
            assert w.client.read_response_head().status == 104
    w.upstream.answer("ok")
    assert w.client.read_response().body == b"ok"
    w.ask().read_request()
    w.upstream.answer("next")
    assert w.client.read_response().body == b"next"


@pytest.mark.parametrize("field,count", [("", 10_000), ("X-Long: " + "x" * 4000 + "\r\n", 400)], ids=["many", "long"])
def test_a_flood_of_interim_responses_is_502(wire, field, count):
    w = wire({"proxy": {"max_header_size": "4KiB"}})
    w.ask().read_request()
    try:
        w.upstream.send(("HTTP/1.1 103 Early Hints\r\n" + field + "\r\n") * count)
    except Cut:  # closed by the daemon before the last one: as it should be
        pass
    response = w.client.read_response()
    check_own_answer(response, 502)
    assert 50 < len(response.interim) < count
    assert w.upstream.wait_for_end()


def expect(w, length: int = 4):
    upstream = w.ask("POST", "/", "Expect: 100-continue", f"Content-Length: {length}", body=b"")
    return upstream, upstream.read_request_head()


def test_expect_is_forwarded_and_the_client_waits_for_the_origins_100(wire):
    w = wire()
    upstream, head = expect(w)
    assert head.get("expect") == "100-continue"
    w.client.expect_silence()
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n")
    assert w.client.read_response_head().status == 100
    w.client.send("body")
    assert upstream.read_exact(4) == b"body"
    upstream.answer("ok")
    assert w.client.read_response().body == b"ok"
    w.ask().read_request()
    upstream.answer("again")
    assert w.client.read_response().body == b"again"


def test_a_client_that_does_not_wait_is_served_too(wire):
    w = wire()
    upstream, _ = expect(w)
    w.client.send("body")
    assert upstream.read_exact(4) == b"body"
    upstream.answer("ok")
    assert w.client.read_response().body == b"ok"


@pytest.mark.parametrize("status", [417, 413, 200])
def test_a_final_answer_instead_of_100_passes_and_that_connection_is_not_pooled(wire, status):
    w = wire()
    upstream, _ = expect(w)
    upstream.answer("no", f"{status} X")
    assert w.client.read_response().status == status
    assert upstream.read_to_end() == b"", "a connection that still owes a request body was used"


def test_a_client_that_may_never_send_its_body_is_told_that_the_connection_closes(wire):
    w = wire()
    upstream, _ = expect(w)
    upstream.answer("no", "417 Expectation Failed")
    response = w.client.read_response()
    assert response.body == b"no" and "close" in response.tokens("connection")
    w.client.expect_eof()


def test_a_body_that_comes_behind_a_final_answer_is_never_read_as_a_request(wire):
    w = wire()
    upstream, _ = expect(w, length=len("GET http://127.0.0.1/ HTTP/1.1\r\n\r\n"))
    upstream.answer("no", "417 Expectation Failed")
    assert w.client.read_response().status == 417
    w.client.send("GET http://127.0.0.1/ HTTP/1.1\r\n\r\n")
    w.client.expect_no_byte()


def test_an_expectation_of_a_1_0_client_brings_no_100(wire):
    w = wire()
    w.send("POST http://{at}/ HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody")
    upstream = w.server.accept()
    upstream.read_request()
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n")
    upstream.answer("ok")
    response = w.client.read_response()
    assert response.status == 200 and response.interim == []


def test_an_unasked_100_passes_by_harmlessly(wire):
    response = wire().answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert response.status == 200 and response.body == b"ok"
