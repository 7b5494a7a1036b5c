"""Names: look-ups off the loop, merged, cached; their addresses tried in turn (core/doc/design.md §4 [dns], §6.5, §6.8)."""

import os
import time

import pytest
from helpers_names import NameServer, own_names
from helpers_pool import KEEP, Bottleneck, every_host, exchange, finish, serve
from support.daemon import merged
from support.stalls import real_time
from support.waiting import eventually, scaled
from support.wiring import check_own_answer


@pytest.fixture(params=["c-ares", "system"])
def names(request, keepwarm, tmp_path):
    """names({"name": [addresses]}, config): (a daemon that asks our name server, the name server). dead_first: it asks
    one before that never answers. under: a command to start the daemon under. Once for each resolver."""
    servers = []

    def start(known, config="", dead_first=False, under=(), **options):
        silent = [NameServer(mute=True)] if dead_first else []
        servers.extend([*silent, NameServer(known)])
        wrapper = own_names(tmp_path, name_servers=[*silent, servers[-1]])
        config = merged({"dns": {"resolver": request.param}}, config or {})
        return keepwarm(config, wrapper=(*wrapper, *under), **options), servers[-1]

    yield start
    for server in servers:
        server.close()


def ask(daemon, name, port, path="/", method="GET", body=None):
    client = daemon.client()
    client.send_request(method, f"http://{name}:{port}{path}", body=body)
    return client


# Addresses


@pytest.mark.parametrize("listening", ["127.0.0.2", "127.0.0.3"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_of_two_addresses_the_one_that_answers_is_used(keepwarm, origin, tmp_path, listening, method):
    daemon = keepwarm(wrapper=own_names(tmp_path, "127.0.0.2 two.test\n127.0.0.3 two.test\n"))
    server = origin(host=listening)
    client = ask(daemon, "two.test", server.port, method=method, body=b"x" if method == "POST" else None)
    assert serve(server.accept()).get("host") == f"two.test:{server.port}"
    finish(client)


@real_time
@pytest.mark.parametrize("blocked", ["127.0.0.2", "127.0.0.3"])
def test_an_address_that_does_not_answer_costs_little_time(keepwarm, origin, tmp_path, blocked):
    daemon = keepwarm(wrapper=own_names(tmp_path, "127.0.0.2 two.test\n127.0.0.3 two.test\n"))
    server = origin(host="127.0.0.3" if blocked == "127.0.0.2" else "127.0.0.2")
    hole = Bottleneck(blocked, server.port)
    hole.block()
    try:
        began = time.monotonic()
        client = ask(daemon, "two.test", server.port)
        serve(server.accept())
        finish(client)
        assert time.monotonic() - began < scaled(1.0)
    finally:
        hole.close()


@real_time
def test_connect_timeout_holds_though_the_last_address_failed_at_once(keepwarm, tmp_path):
    """One address does not answer; connecting to the other one (broadcast) is refused by our own kernel."""
    daemon = keepwarm(every_host(connect_timeout="600ms"),
                      wrapper=own_names(tmp_path, "127.0.0.2 two.test\n255.255.255.255 two.test\n"))
    hole = Bottleneck("127.0.0.2")
    hole.block()
    try:
        began = time.monotonic()
        check_own_answer(ask(daemon, "two.test", hole.port).read_response(), 504, "connection_timeout", "two.test")
        assert time.monotonic() - began < scaled(2.0)
    finally:
        hole.close()


def test_where_no_address_answers_it_is_502(keepwarm, closed_port, tmp_path):
    daemon = keepwarm(wrapper=own_names(tmp_path, "127.0.0.1 two.test\n127.0.0.3 two.test\n"))
    client = ask(daemon, "two.test", closed_port())
    check_own_answer(client.read_response(), 502, "connection_refused", "two.test")


def test_an_address_that_may_not_be_reached_is_passed_over(keepwarm, origin, tmp_path):
    daemon = keepwarm({"proxy": {"deny_destinations": ["127.0.0.2/32"]}},
                      wrapper=own_names(tmp_path, "127.0.0.2 two.test\n127.0.0.3 two.test\n"))
    denied = origin(host="127.0.0.2")
    server = origin(host="127.0.0.3", port=denied.port)
    client = ask(daemon, "two.test", server.port)
    serve(server.accept())
    finish(client)
    denied.expect_no_connection()


def test_a_name_is_known_by_its_ipv4_and_its_ipv6_address(keepwarm, origin, tmp_path):
    daemon = keepwarm(wrapper=own_names(tmp_path, "::1 both.test\n127.0.0.1 both.test\n"))
    server = origin()
    client = ask(daemon, "both.test", server.port)
    serve(server.accept())
    finish(client)


@pytest.mark.parametrize("listening", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("name", ["app.localhost", "a.B.localhost"])
def test_a_name_below_localhost_is_loopback_and_nobody_is_asked(names, origin, name, listening):
    daemon, name_server = names({"app.localhost": ["192.0.2.1"]})
    server = origin(host=listening)
    client = ask(daemon, name, server.port)
    assert serve(server.accept()).get("host").lower() == f"{name.lower()}:{server.port}"
    finish(client)
    assert not name_server.queries


# Failures


def test_a_name_that_does_not_exist_is_502(names):
    daemon, _ = names({})
    check_own_answer(daemon.get("http://nowhere.test/"), 502, "dns_error", "nowhere.test")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_of_the_invalid_domain_is_502(keepwarm, method):
    daemon = keepwarm(every_host(connect_timeout="30s"))
    response = daemon.request(method, "http://name.invalid/", limit=30)
    check_own_answer(response, 502, "dns_error", "name.invalid")


def test_a_label_that_is_too_long_is_no_name(keepwarm):
    assert keepwarm().get(f"http://{'a' * 64}.test/").status in (400, 502)


@real_time
def test_a_look_up_that_takes_too_long_is_504_after_dns_timeout(names):
    daemon, server = names({}, {"dns": {"dns_timeout": "300ms"}})
    server.silent.add("slow.test")
    began = time.monotonic()
    check_own_answer(daemon.get("http://slow.test/"), 504, "dns_timeout", "slow.test")
    assert 0.25 < time.monotonic() - began < scaled(1.0)


@real_time
def test_a_dead_first_name_server_costs_time_and_no_request(names, origin):
    """The next one is asked after a second, by the system after 5 s by default: longer than connecting may take."""
    daemon, name_server = names({"good.test": ["127.0.0.1"]}, every_host(connect_timeout="500ms"), dead_first=True)
    server = origin()
    client = ask(daemon, "good.test", server.port)
    serve(server.accept())
    finish(client)
    assert name_server.asked("good.test") == 1


@real_time
def test_look_ups_that_hang_hold_nobody_else_up(names, origin):
    daemon, name_server = names({"good.test": ["127.0.0.1"]})
    clients = []
    for number in range(40):
        name_server.silent.add(f"slow{number}.test")
        clients.append(ask(daemon, f"slow{number}.test", 80))
    name_server.wait_asked("slow39.test")
    server = origin()
    began = time.monotonic()
    upstream = exchange(daemon, server)
    client = ask(daemon, "good.test", server.port)
    serve(server.accept())
    finish(client)
    exchange(daemon, server, upstream)
    assert time.monotonic() - began < scaled(0.9)


# The cache


def test_an_answer_is_used_for_its_ttl(names, origin):
    server = origin()
    daemon, name_server = names({"good.test": ["127.0.0.1"]}, every_host(reuse=False))
    for _ in range(3):
        client = ask(daemon, "good.test", server.port)
        serve(server.accept())
        finish(client)
    assert name_server.asked("good.test") == 1


@real_time
def test_after_the_ttl_the_name_is_asked_for_again(names, origin):
    server = origin()
    daemon, name_server = names({"good.test": ["127.0.0.1"]}, {"dns": {"ttl": "200ms"}, **every_host(reuse=False)})
    client = ask(daemon, "good.test", server.port)
    serve(server.accept())
    finish(client)
    time.sleep(0.3)
    client = ask(daemon, "good.test", server.port)
    serve(server.accept())
    finish(client)
    assert name_server.asked("good.test") == 2


@real_time
def test_a_ttl_of_nothing_asks_each_time(names, origin):
    server = origin()
    daemon, name_server = names({"good.test": ["127.0.0.1"]}, {"dns": {"ttl": "0s"}, **every_host(reuse=False)})
    for _ in range(3):
        client = ask(daemon, "good.test", server.port)
        serve(server.accept())
        finish(client)
    assert name_server.asked("good.test") == 3


@real_time
def test_a_failure_is_remembered_for_negative_ttl(names, origin):
    server = origin()
    daemon, name_server = names({}, {"dns": {"negative_ttl": "500ms"}})
    for _ in range(3):
        assert daemon.get(f"http://later.test:{server.port}/").status == 502
    assert name_server.asked("later.test") == 1
    name_server.names["later.test"] = ["127.0.0.1"]
    time.sleep(0.6)
    client = ask(daemon, "later.test", server.port)
    serve(server.accept())
    finish(client)


def test_look_ups_of_one_name_are_merged(names, origin):
    server = origin()
    daemon, name_server = names({"good.test": ["127.0.0.1"]})
    name_server.silent.add("good.test")
    clients = [ask(daemon, "good.test", server.port, f"/{number}") for number in range(8)]
    name_server.wait_asked("good.test")
    name_server.release("good.test")
    for _ in clients:
        serve(server.accept())
    for client in clients:
        finish(client)
    assert name_server.asked("good.test") == 1


def test_a_client_that_leaves_takes_no_look_up_from_the_others(names, origin):
    server = origin()
    daemon, name_server = names({"good.test": ["127.0.0.1"]})
    name_server.silent.add("good.test")
    leaving, staying = (ask(daemon, "good.test", server.port, path) for path in ("/leaving", "/staying"))
    name_server.wait_asked("good.test")
    leaving.reset()
    name_server.release("good.test")
    upstream = server.accept()
    assert serve(upstream).target == "/staying"
    finish(staying)


def test_spellings_of_a_name_are_one_name(names, origin):
    server = origin()
    daemon, name_server = names({"good.test": ["127.0.0.1"]}, every_host(reuse=False))
    for spelling in ("good.test", "GOOD.test", "good.test."):
        client = ask(daemon, spelling, server.port)
        serve(server.accept())
        finish(client)
    assert name_server.asked("good.test") == 1


# Reuse


@real_time
def test_a_warm_connection_needs_no_look_up(names, origin):
    server = origin()
    daemon, name_server = names({"good.test": ["127.0.0.1"]}, {"dns": {"ttl": "0s"}})
    client = ask(daemon, "good.test", server.port)
    upstream = server.accept()
    serve(upstream, "ok", KEEP)
    finish(client)
    name_server.silent.add("good.test")
    client = ask(daemon, "good.test", server.port)
    serve(upstream)
    finish(client)
    assert name_server.asked("good.test") == 1


@real_time
def test_rotating_answers_cost_no_reuse(names, origin):
    first = origin(host="127.0.0.2")
    second = origin(host="127.0.0.3", port=first.port)
    daemon, name_server = names({"pool.test": ["127.0.0.2"]}, {"dns": {"ttl": "0s"}})
    held = ask(daemon, "pool.test", first.port, "/held")
    old = first.accept()
    old.read_request()
    name_server.names["pool.test"] = ["127.0.0.3"]
    client = ask(daemon, "pool.test", first.port)
    serve(second.accept(), "ok", "Connection: close")
    finish(client)
    old.answer("ok", "200 OK", KEEP)
    finish(held)
    for _ in range(3):  # the address that the last answer lacks still serves
        client = ask(daemon, "pool.test", first.port)
        serve(old, "ok", KEEP)
        finish(client)


# A service that moves


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_service_that_moved_is_found_by_the_next_request(names, origin, method):
    """Its old address refuses, and the cached answer would hold for a long time."""
    old, new = origin(host="127.0.0.2"), None
    daemon, name_server = names({"moved.test": ["127.0.0.2"]}, {"dns": {"ttl": "1h"}, **every_host(reuse=False)})
    client = ask(daemon, "moved.test", old.port)
    serve(old.accept())
    finish(client)
    old.close()
    new = origin(host="127.0.0.3", port=old.port)
    name_server.names["moved.test"] = ["127.0.0.3"]
    for _ in range(2):
        client = ask(daemon, "moved.test", new.port, method=method, body=b"x" if method == "POST" else None)
        serve(new.accept())
        finish(client)
    assert name_server.asked("moved.test") == 2


def test_a_service_that_is_down_is_asked_for_once_more_a_second(names, closed_port):
    daemon, name_server = names({"down.test": ["127.0.0.1"]}, {"dns": {"ttl": "1h"}})
    port = closed_port()
    began = time.monotonic()
    for _ in range(20):
        check_own_answer(daemon.get(f"http://down.test:{port}/"), 502, "connection_refused", "down.test")
    assert name_server.asked("down.test") <= 3 + (time.monotonic() - began)


@pytest.mark.parametrize("names", ["system"], indirect=True)
def test_descriptors_and_threads_of_look_ups_are_bounded(names):
    """To an eighth of the descriptors that there may be."""
    daemon, name_server = names({}, under=("prlimit", "--nofile=320:320"))
    for number in range(60):
        name_server.silent.add(f"slow{number}.test")
    clients = [ask(daemon, f"slow{number}.test", 80) for number in range(60)]
    name_server.wait_asked("slow0.test")
    eventually(lambda: len(os.listdir(f"/proc/{daemon.pid}/task")) > 40)
    eventually(lambda: len(name_server.queries) >= 2 * 40)
    assert len(os.listdir(f"/proc/{daemon.pid}/task")) < 50
    for client in clients:
        client.close()
