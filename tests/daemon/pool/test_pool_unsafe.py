"""Requests that are not replayable go on a trusted connection or a fresh one (core/doc/design.md §6.3, §6.4)."""

import time

import pytest
from helpers_pool import KEEP, Bottleneck, begin, every_host, exchange, finish, pooled, serve, settle
from support.stalls import real_time

pytestmark = real_time

PAUSE = 0.45  # longer than the 250 ms that are trusted without proof


def test_a_post_goes_on_a_connection_that_a_hint_makes_trusted(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=(KEEP,))
    time.sleep(PAUSE)
    exchange(daemon, server, upstream, method="POST", body=b"x")


def test_the_first_post_after_a_longer_pause_than_ever_seen_goes_on_a_fresh_connection(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=())
    time.sleep(PAUSE)
    fresh = exchange(daemon, server, method="POST", body=b"x", answer=())
    upstream.expect_silence()  # held for what is replayable
    fresh.expect_silence()


def test_a_get_after_the_same_pause_reuses(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=())
    time.sleep(PAUSE)
    exchange(daemon, server, upstream, answer=())


def test_a_post_at_an_age_that_was_survived_before_reuses(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = exchange(daemon, server, answer=())
    time.sleep(1.2)
    exchange(daemon, server, upstream, answer=())  # a GET proves 1.2 s
    time.sleep(PAUSE)
    exchange(daemon, server, upstream, method="POST", body=b"x", answer=())


def test_trust_without_knowledge_ends_a_margin_before_the_assumed_timeout(keepwarm, origin):
    """1.2 s were survived, yet of an assumed second half is trusted."""
    daemon, server = keepwarm(every_host(assumed_idle_timeout="1s", idle_margin="800ms")), origin()
    upstream = exchange(daemon, server, answer=())
    time.sleep(1.2)
    exchange(daemon, server, upstream, answer=())
    time.sleep(0.7)
    exchange(daemon, server, method="POST", body=b"x", answer=())


def test_a_put_whose_body_is_not_held_counts_as_unsafe(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry_body_size="4B")), origin()
    upstream = exchange(daemon, server, answer=())
    time.sleep(PAUSE)
    fresh = exchange(daemon, server, method="PUT", body=b"12345", answer=())
    time.sleep(PAUSE)
    exchange(daemon, server, fresh, method="PUT", body=b"1234", answer=())
    upstream.expect_silence()


@pytest.mark.parametrize("answer", [(), (KEEP,)], ids=["unknown", "hint"])
def test_unsafe_reuse_never_is_always_fresh(keepwarm, origin, answer):
    daemon, server = keepwarm(every_host(unsafe_reuse="never")), origin()
    upstream = exchange(daemon, server, answer=answer)
    posted = exchange(daemon, server, method="POST", body=b"x", answer=answer)
    again = exchange(daemon, server, method="POST", body=b"x", answer=answer)
    exchange(daemon, server, again, answer=answer)  # a GET takes the warmest of them
    assert len({id(each) for each in (upstream, posted, again)}) == 3


def test_unsafe_reuse_always_reuses_after_any_pause(keepwarm, origin):
    daemon, server = keepwarm(every_host(unsafe_reuse="always")), origin()
    upstream = exchange(daemon, server, answer=())
    time.sleep(PAUSE)
    exchange(daemon, server, upstream, method="POST", body=b"x", answer=())


def test_a_replayable_request_prefers_a_trusted_connection(keepwarm, origin):
    """Of two idle ones the warmer has no hint and is past its trust; the other one is known to be good."""
    daemon, server = keepwarm(), origin()
    clients, idle = [], []
    for _ in range(2):
        clients.append(begin(daemon, server))
        idle.append(server.accept())
        idle[-1].read_request()
    hinted, unknown = idle
    hinted.answer("ok", "200 OK", KEEP)
    finish(clients[0])
    unknown.answer("ok")
    finish(clients[1])
    time.sleep(PAUSE)
    exchange(daemon, server, hinted)


def test_a_method_that_the_host_calls_replayable_takes_any_connection(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry_methods=["POST"])), origin()
    upstream = exchange(daemon, server, method="POST", body=b"x", answer=())
    time.sleep(PAUSE)
    exchange(daemon, server, upstream, method="POST", body=b"x", answer=())


def test_with_retry_off_a_get_is_not_replayable_and_needs_trust(keepwarm, origin):
    daemon, server = keepwarm(every_host(retry=False)), origin()
    exchange(daemon, server, answer=())
    time.sleep(PAUSE)
    exchange(daemon, server, answer=())  # fresh: accept() would fail else


def test_posts_in_quick_succession_share_connections(keepwarm, origin):
    daemon, server = keepwarm(), origin()
    upstream = pooled(daemon, server, 1)[0]
    for number in range(20):
        exchange(daemon, server, upstream, method="POST", path=f"/{number}", body=b"x")
    server.expect_no_connection()


def test_a_connection_that_joined_the_pool_unused_proves_nothing(keepwarm, _daemons):
    server = Bottleneck()
    try:
        daemon = keepwarm(every_host(learn=False))  # of the close that follows
        held = begin(daemon, server)
        upstream = server.accept()
        upstream.read_request()
        server.block()
        waiting = begin(daemon, server)
        settle(daemon)
        upstream.answer("ok")
        finish(held)
        serve(upstream)
        finish(waiting)
        unused = server.accept()  # opened for the one that waited, and not needed any more
        upstream.close()
        daemon.wait_log(r"upstream \S+ closed: server closed idle")
        exchange(daemon, server, unused, answer=())
        time.sleep(PAUSE)
        assert exchange(daemon, server, method="POST", body=b"x", answer=()) is not unused
    finally:
        server.close()


def test_a_long_answer_proves_nothing(keepwarm, origin):
    """Its idle age counts from before its end; that is caution, and no age that the server has shown to allow."""
    daemon, server = keepwarm(), origin()
    client = begin(daemon, server)
    upstream = server.accept()
    upstream.read_request()
    upstream.send(f"HTTP/1.1 200 OK\r\nContent-Length: {8 * 32768}\r\n\r\n")
    for _ in range(8):
        time.sleep(0.1)
        upstream.send(bytes(32768))
    assert len(client.read_response().body) == 8 * 32768
    exchange(daemon, server, upstream, answer=())
    time.sleep(PAUSE)
    assert exchange(daemon, server, method="POST", body=b"x", answer=()) is not upstream
