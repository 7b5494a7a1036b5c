"""Names by c-ares on the loop: name servers that fail, times to live, the system's files (core/doc/design.md §6.12)."""

import os
import re
import socket
import subprocess
import time

import pytest
from helpers_names import A, AAAA, NameServer, own_names
from helpers_pool import every_host, finish, serve
from support.daemon import config_text
from support.stalls import real_time
from support.tier import amount
from support.waiting import binary, scaled
from support.wiring import check_own_answer

PLAIN = "files dns"


@pytest.fixture
def server():
    """server(names, ...): a name server."""
    servers = []

    def start(*arguments, **options):
        servers.append(NameServer(*arguments, **options))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


@pytest.fixture
def visit(origin):
    """visit(daemon, name, origin=None): a request on a connection of its own; how long it took."""
    usual = origin()

    def go(daemon, name, to=None) -> float:
        client = daemon.client()
        began = time.monotonic()
        client.send_request("GET", f"http://{name}:{(to or usual).port}/")
        serve((to or usual).accept())
        took = time.monotonic() - began
        finish(client)
        return took

    return go


def start(keepwarm, folder, name_servers, config=None, **options):
    return keepwarm({"dns": config or {}, **every_host(reuse=False)}, wrapper=own_names(folder, name_servers=name_servers, **options))


@pytest.fixture(params=["c-ares", "system"])
def resolver(request) -> str:
    return request.param


def threads_of(daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.pid}/task"))


# Servers that fail


@real_time
def test_a_dead_first_server_costs_a_second_once_and_then_nothing(keepwarm, tmp_path, server, visit):
    dead, good = server(mute=True), server({f"n{number}.test": ["127.0.0.1"] for number in range(6)})
    daemon = start(keepwarm, tmp_path, [dead, good])
    first, *rest = [visit(daemon, f"n{number}.test") for number in range(6)]
    assert 1.0 <= first < scaled(1.1)
    assert max(rest) < scaled(0.2)
    assert not dead.asked("n1.test")


@real_time
def test_names_of_a_dead_zone_do_not_delay_another_name(keepwarm, tmp_path, server, visit):
    good = server({f"n{number}.test": ["127.0.0.1"] for number in range(5)})
    daemon = keepwarm({"proxy": {"max_clients": 20000}, **every_host(reuse=False)}, wrapper=own_names(tmp_path, name_servers=[good]))
    clients, count = [], amount(200, 10000)
    good.silent.update(f"dead{number}.test" for number in range(count))
    for number in range(count):
        clients.append(socket.create_connection(daemon.address()))
        clients[-1].sendall(f"GET http://dead{number}.test/ HTTP/1.1\r\nHost: dead{number}.test\r\n\r\n".encode())
    good.wait_asked(f"dead{count - 1}.test")
    before = threads_of(daemon)
    assert min(visit(daemon, f"n{number}.test") for number in range(5)) < scaled(0.05)
    assert threads_of(daemon) == before
    for client in clients:
        client.close()


@real_time
def test_where_all_servers_are_dead_it_is_504_after_dns_timeout(keepwarm, tmp_path, server, resolver):
    daemon = start(keepwarm, tmp_path, [server(mute=True), server(mute=True)], {"dns_timeout": "400ms", "resolver": resolver})
    began = time.monotonic()
    check_own_answer(daemon.get("http://a.test/"), 504, "dns_timeout", "a.test")
    assert 0.4 <= time.monotonic() - began < scaled(1.5)


def test_where_nobody_listens_at_any_server_it_is_502(keepwarm, tmp_path, server):
    gone = server()
    gone.close()
    check_own_answer(start(keepwarm, tmp_path, [gone]).get("http://a.test/"), 502, "dns_error", "a.test")


@real_time
def test_look_ups_that_hang_do_not_hold_up_the_end(keepwarm, tmp_path, server):
    mute = server(mute=True)
    daemon = start(keepwarm, tmp_path, [mute])
    clients = [daemon.client() for _ in range(20)]
    for number, client in enumerate(clients):
        client.send_request("GET", f"http://n{number}.test/")
    mute.wait_asked("n19.test")
    for client in clients:
        client.reset()
    began = time.monotonic()
    daemon.terminate()
    assert daemon.wait_exit() == 0
    assert time.monotonic() - began < scaled(1.0)


@real_time
@pytest.mark.parametrize("fault", ["SERVFAIL", "REFUSED", "garbage", "referral", "nobody listens"])
def test_a_server_that_fails_is_passed_over_at_once(keepwarm, tmp_path, server, visit, fault):
    broken, good = server(), server({"a.test": ["127.0.0.1"]})
    broken.codes = {"SERVFAIL": {"a.test": 2}, "REFUSED": {"a.test": 5}}.get(fault, {})
    broken.garbage, broken.referral = fault == "garbage", fault == "referral"
    if fault == "nobody listens":
        broken.close()
    daemon = start(keepwarm, tmp_path, [broken, good])
    assert visit(daemon, "a.test") < scaled(0.9)


def test_an_answer_that_is_lost_costs_a_second(keepwarm, tmp_path, server, origin):
    lossy, to = server({"a.test": ["127.0.0.1"]}), origin()
    lossy.silent.add("a.test")
    daemon = start(keepwarm, tmp_path, [lossy], options="attempts:2")
    client = daemon.client()
    client.send_request("GET", f"http://a.test:{to.port}/")
    lossy.wait_asked("a.test")
    lossy.silent.discard("a.test")
    serve(to.accept())
    finish(client)
    assert lossy.asked("a.test") == 2


@real_time
def test_ipv6_addresses_that_never_come_do_not_hold_up_ipv4(keepwarm, tmp_path, server, visit):
    half = server({"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]})
    half.silent_kinds.add(AAAA)
    daemon = start(keepwarm, tmp_path, [half])
    assert 0.05 <= visit(daemon, "a.test") < scaled(0.5)
    assert half.asked("a.test", AAAA) == 1
    assert visit(daemon, "a.test") < scaled(0.05)


@real_time
def test_connecting_begins_with_the_first_ipv6_address(keepwarm, tmp_path, server, origin, visit):
    half = server({"a.test": ["::1", "127.0.0.1"]})
    half.silent_kinds.add(A)
    daemon = start(keepwarm, tmp_path, [half])
    assert visit(daemon, "a.test", origin(host="::1")) < scaled(0.5)
    assert half.asked("a.test", A) == 1


def test_addresses_that_come_late_join_the_race(keepwarm, tmp_path, server, origin):
    """Nobody listens at the IPv6 address, and the IPv4 one comes when that is known."""
    half, to = server({"a.test": ["::1", "127.0.0.1"]}), origin()
    half.silent_kinds.add(A)
    daemon = start(keepwarm, tmp_path, [half])
    client = daemon.client()
    client.send_request("GET", f"http://a.test:{to.port}/")
    half.wait_asked("a.test")
    time.sleep(0.2)  # nothing tells that the first connect was refused
    half.release("a.test", A)
    serve(to.accept())
    finish(client)


# What is on the wire


@real_time
@pytest.mark.parametrize(("resolver", "one_by_tcp"), [("c-ares", False), ("c-ares", True), ("system", False)])
def test_an_answer_that_does_not_fit_is_asked_for_by_tcp(keepwarm, tmp_path, server, visit, resolver, one_by_tcp):
    names = server({"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]})
    names.too_long, names.one_by_tcp = {"a.test", "b.test"}, one_by_tcp
    daemon = start(keepwarm, tmp_path, [names], {"resolver": resolver})
    assert visit(daemon, "a.test") < scaled(1.0)
    assert visit(daemon, "b.test") < scaled(1.0)
    assert set(names.by_tcp) == {"a.test", "b.test"}


def test_a_server_without_tcp_fails_for_the_names_that_need_it_alone(keepwarm, tmp_path, server, origin):
    names, to = server({"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]}, tcp=False), origin()
    names.too_long = {"a.test"}
    names.silent = {"b.test"}
    daemon = start(keepwarm, tmp_path, [names])
    client = daemon.client()
    client.send_request("GET", f"http://b.test:{to.port}/")
    names.wait_asked("b.test", kind=AAAA)
    check_own_answer(daemon.get("http://a.test/"), 502, "dns_error", "a.test")
    names.release("b.test")
    serve(to.accept())
    finish(client)
    assert names.asked("b.test") == 1


def test_wrong_answers_are_passed_over(keepwarm, tmp_path, server, visit):
    names = server({"a.test": ["127.0.0.1"]})
    names.forge = {"a.test"}
    daemon = start(keepwarm, tmp_path, [names])
    visit(daemon, "a.test")
    assert names.asked("a.test") == 1


def test_aliases_are_followed(keepwarm, tmp_path, server, visit, resolver):
    names = server({"a.test": ["127.0.0.1"]})
    names.aliases = {"a.test": ("b.test", 60), "b.test": ("c.example", 60), "c.example": ("d.example", 60)}
    visit(start(keepwarm, tmp_path, [names], {"resolver": resolver}), "a.test")


def test_names_are_asked_for_in_random_case_and_from_several_ports(keepwarm, tmp_path, server, visit):
    known = [f"abcdefghijklmnopqrstuvwxyz{number}.test" for number in range(120)]
    names = server({name: ["127.0.0.1"] for name in known})
    daemon = start(keepwarm, tmp_path, [names])
    for name in known:
        visit(daemon, name)
    assert not any(name in names.spellings for name in known[20:])
    assert len(names.ports) >= 2


@pytest.mark.parametrize("fault", ["lower_case", "strict_case"])
def test_a_server_that_does_not_cope_with_random_case_is_spared_it(keepwarm, tmp_path, server, visit, fault):
    """It returns names in lower case; it does not find them in another."""
    known = [f"abcdefghijklmnopqrstuvwxyz{number}.test" for number in range(3)]
    names = server({name: ["127.0.0.1"] for name in known})
    setattr(names, fault, True)
    daemon = start(keepwarm, tmp_path, [names])
    for name in known:
        visit(daemon, name)
    assert names.asked(known[2]) == 1
    assert names.spellings[-2:] == [known[2]] * 2


def test_a_name_that_does_not_exist_is_told_at_once(keepwarm, tmp_path, server):
    daemon = start(keepwarm, tmp_path, [server()])
    began = time.monotonic()
    check_own_answer(daemon.get("http://no.test/"), 502, "dns_error", "no.test")
    assert time.monotonic() - began < scaled(0.5)


# Times to live


@real_time
def test_the_answers_own_time_to_live_counts(keepwarm, tmp_path, server, visit):
    names = server({"a.test": ["127.0.0.1"]})
    names.ttl = 1
    daemon = start(keepwarm, tmp_path, [names])
    visit(daemon, "a.test")
    visit(daemon, "a.test")
    assert names.asked("a.test") == 1
    time.sleep(1.1)
    visit(daemon, "a.test")
    assert names.asked("a.test") == 2


@real_time
def test_the_time_to_live_of_an_alias_counts(keepwarm, tmp_path, server, visit):
    names = server({"a.test": ["127.0.0.1"]})
    names.aliases = {"a.test": ("b.test", 1)}
    daemon = start(keepwarm, tmp_path, [names])
    visit(daemon, "a.test")
    time.sleep(1.1)
    visit(daemon, "a.test")
    assert names.asked("a.test") == 2


@real_time
@pytest.mark.parametrize("config", [{"min_ttl": "1h"}, {"min_ttl": "1h", "ttl": "1s"}])
def test_a_time_to_live_is_kept_within_its_bounds(keepwarm, tmp_path, server, visit, config):
    names = server({"a.test": ["127.0.0.1"]})
    names.ttl = 0
    daemon = start(keepwarm, tmp_path, [names], config)
    visit(daemon, "a.test")
    time.sleep(1.1)
    visit(daemon, "a.test")
    assert names.asked("a.test") == (2 if "ttl" in config else 1)


# The system's files


def test_hosts_is_heeded_and_followed(keepwarm, tmp_path, server, origin, visit):
    names = server({"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]})
    daemon = start(keepwarm, tmp_path, [names], hosts="127.0.0.2 a.test\n")
    other = origin(host="127.0.0.2")
    visit(daemon, "a.test", other)
    assert not names.asked("a.test")
    visit(daemon, "b.test")
    (tmp_path / "hosts").write_text("127.0.0.2 b.test\n")
    visit(daemon, "a.test")
    visit(daemon, "b.test", other)
    assert names.asked("a.test") == 1


def test_resolv_conf_is_followed(keepwarm, tmp_path, server, visit):
    old, new = server({"a.test": ["127.0.0.1"]}), server({"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]})
    daemon = start(keepwarm, tmp_path, [old])
    visit(daemon, "a.test")
    (tmp_path / "resolv.conf").write_text(f"nameserver {new.address}\n")
    visit(daemon, "b.test")
    visit(daemon, "a.test")
    assert not old.asked("b.test")
    assert new.asked("a.test") == 1


@real_time
def test_other_servers_serve_at_once_though_the_old_ones_hang(keepwarm, tmp_path, server, visit):
    """A VPN comes up: what was asked of the servers before is not waited for."""
    old, new = server(mute=True), server({"b.test": ["127.0.0.1"]})
    daemon = start(keepwarm, tmp_path, [old])
    waiting = daemon.client()
    waiting.send_request("GET", "http://a.test/")
    old.wait_asked("a.test")
    (tmp_path / "resolv.conf").write_text(f"nameserver {new.address}\n")
    assert visit(daemon, "b.test") < scaled(0.5)
    waiting.close()


def test_the_search_list_is_heeded(keepwarm, tmp_path, server, visit):
    names = server({"db.corp.test": ["127.0.0.1"]})
    daemon = start(keepwarm, tmp_path, [names])
    (tmp_path / "resolv.conf").write_text(f"nameserver {names.address}\nsearch corp.test\n")
    visit(daemon, "db")


@pytest.mark.parametrize(("nsswitch", "threads"), [(PLAIN, 0), ("files ldap dns", 1)])
def test_what_nsswitch_asks_for_says_who_serves(keepwarm, tmp_path, server, visit, nsswitch, threads):
    daemon = start(keepwarm, tmp_path, [server({"a.test": ["127.0.0.1"]})], nsswitch=nsswitch)
    before = threads_of(daemon)
    visit(daemon, "a.test")
    assert threads_of(daemon) == before + threads


# Explain


@pytest.mark.parametrize(("url", "nsswitch", "config", "told"), [
    ("http://a.test/", PLAIN, {}, r"by c-ares at 127\.\S+, since /etc/nsswitch.conf and /etc/resolv.conf ask for nothing else"),
    ("http://a.test/", PLAIN, {"resolver": "system"}, r"by the system's getaddrinfo, since dns.resolver = \"system\" says so"),
    ("http://a.test/", "files ldap dns", {}, "by the system's getaddrinfo, since /etc/nsswitch.conf asks for \"ldap\""),
    ("http://a.test/", "files ldap dns", {"resolver": "c-ares"}, r"by c-ares at 127\.\S+, since dns.resolver = \"c-ares\" says so"),
    ("http://a.local/", "files mdns4_minimal [NOTFOUND=return] dns", {}, "by the system's getaddrinfo, since c-ares cannot do such a name"),
    ("http://known.test/", PLAIN, {}, "in /etc/hosts"),
    ("http://app.localhost/", PLAIN, {}, None),
    ("http://192.0.2.1/", PLAIN, {}, None),
])
def test_explain_says_who_looks_a_name_up(tmp_path, server, url, nsswitch, config, told):
    wrapper = own_names(tmp_path, "192.0.2.1 known.test\n", name_servers=[server()], nsswitch=nsswitch)
    file = tmp_path / "keepwarm.toml"
    file.write_text(config_text({"dns": config}))
    done = subprocess.run([*wrapper, binary(), "explain", url, "--config", file], capture_output=True, text=True, timeout=scaled(10))
    assert done.returncode == 0, done.stderr
    found = re.search("^  looked up  (.*)$", done.stdout, re.MULTILINE)
    if told is None:
        assert not found
    else:
        assert re.fullmatch(told, found[1])
