"""`keepwarm explain` says whether CONNECT to a host is intercepted, by whom, or why not."""

import datetime

import pytest
from support.daemon import merged, to_toml
from support.local_ca import run

HOST = {"host": {"*.test": {"intercept": True}}}


@pytest.fixture
def connect_text(tmp_path):
    """What explain says of CONNECT, by line."""

    def explain(url: str, ca, over: dict | None = None, env: dict | None = None) -> list[str]:
        file = tmp_path / "explain.toml"
        file.write_text(to_toml(merged(merged(ca.config, HOST), over or {})))
        done = run("explain", url, "--config", str(file), env=env)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return [line.strip() for line in done.stdout.split("\nCONNECT to this host\n\n")[1].splitlines()]

    return explain


def test_the_generation_that_signs_is_named(connect_text, local_ca):
    ca = local_ca("a.test")
    ca.create("b.test")
    year = datetime.datetime.now(datetime.timezone.utc).year
    first, second = connect_text("https://www.a.test/", ca), connect_text("https://b.test/x", ca)
    assert first[0].startswith("intercepted: generation 1 of the local CA (") and f"until {year + 3}-" in first[0]
    assert second[0].startswith("intercepted: generation 2 of the local CA (")
    assert first[1:] == second[1:] == ["unless something is odd about a CONNECT: the access log says what (why)"]


def test_why_it_is_a_tunnel(connect_text, local_ca):
    ca, none = local_ca("a.test"), local_ca()
    assert connect_text("https://c.test/", ca) == [
        "a tunnel: the local CA may not name it: keepwarm ca create --permit c.test"]
    assert connect_text("https://a.test/", none) == [
        f"a tunnel: there is no local CA in {none.folder}: keepwarm ca create"]
    assert connect_text("https://a.test/", ca, {"host": {"a.test": {"intercept": False}}}) == [
        "a tunnel: intercept = false"]
    assert connect_text("https://a.test:444/", ca) == ["refused: proxy.connect_ports does not have 444"]


def test_for_clients_of_which_listeners(connect_text, local_ca):
    over = {"proxy": {"listen": ["127.0.0.1:3128", "127.0.0.1:3129"]}, "intercept": {"listen": ["127.0.0.1:3129"]}}
    assert "for clients of 127.0.0.1:3129; for others it is a tunnel" in connect_text("https://a.test/",
                                                                                      local_ca("a.test"), over)
