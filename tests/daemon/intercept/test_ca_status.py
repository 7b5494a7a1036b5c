"""`keepwarm ca status`."""

import json
import os
import pty
import shutil
import subprocess

import pytest
from support.clocks import Clocks
from support.daemon import merged, to_toml
from support.local_ca import run
from support.waiting import binary, scaled


def hosts(*names: str) -> dict:
    return {"host": {name: {"intercept": True} for name in names}}


def config_file(ca, over: dict) -> str:
    file = ca.folder.with_name("status.toml")
    file.write_text(to_toml(merged(ca.config, over)))
    return str(file)


def status(ca, over: dict, env: dict | None = None) -> tuple[int, dict]:
    done = run("ca", "status", "--json", "--config", config_file(ca, over), env=env)
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def later(tmp_path):
    """The environment of a program for which it is so many days later."""
    clocks, passed = Clocks(tmp_path), [0]

    def shift(days: int) -> dict:
        clocks.step((days - passed[0]) * 24 * 3600)
        passed[0] = days
        return {**os.environ, **clocks.env}

    return shift


def test_what_is_well(local_ca):
    ca = local_ca("a.test", "192.0.2.7")
    code, told = status(ca, hosts("a.test", "*.a.test:8443", "192.0.2.7", "*"))
    assert (code, told["problems"], told["folder"]) == (0, [], str(ca.folder))
    assert told["hosts"] == [{"host": name, "generation": 1} for name in ("a.test", "*.a.test:8443", "192.0.2.7")]
    [generation] = told["generations"]
    assert generation["names"] == ["a.test"] and generation["addresses"] == ["192.0.2.7"]
    assert generation["can_sign"] is True and generation["any_host"] is False
    fingerprint = subprocess.run(["openssl", "x509", "-in", str(ca.root), "-noout", "-fingerprint", "-sha256"],
                                 capture_output=True, text=True, check=True).stdout.strip().split("=")[1]
    assert generation["fingerprint"] == fingerprint


def test_the_oldest_signs_that_may_name_the_host_and_goes_on(local_ca, later):
    ca = local_ca("a.test", days=20).create("a.test", "b.test", days=40).create("a.test", days=30)
    assert status(ca, hosts("a.test", "b.test"))[1]["hosts"] == [{"host": "a.test", "generation": 1},
                                                                {"host": "b.test", "generation": 2}]
    assert status(ca, hosts("a.test"), later(7))[1]["hosts"] == [{"host": "a.test", "generation": 2}]
    code, told = status(ca, hosts("a.test"), later(28))
    assert told["hosts"] == [{"host": "a.test", "generation": 2}] and code == 1
    assert told["problems"] == ["no generation can sign for another 14 days: keepwarm ca create"]
    code, told = status(ca, hosts("a.test"), later(50))
    assert code == 1 and told["hosts"] == [{"host": "a.test", "generation": None}]
    assert [each["can_sign"] for each in told["generations"]] == [False] * 3


def test_what_is_wrong(local_ca):
    ca = local_ca()
    code, told = status(ca, hosts("a.test"))
    assert (code, told["problems"]) == (1, [f"there is no local CA in {ca.folder}: keepwarm ca create"])
    ca.create("a.test")
    code, told = status(ca, hosts("a.test", "b.test"))
    assert (code, told["problems"]) == (1, ["b.test may not be named: it is a tunnel"])
    (ca.folder / "issuer.key").unlink()
    code, told = status(ca, hosts("a.test"))
    assert code == 1 and told["problems"][0] == f"{ca.folder}/issuer.key: No such file or directory"
    assert told["hosts"] == [{"host": "a.test", "generation": None}]
    ca.create("a.test")
    ca.bundle.unlink()
    code, told = status(ca, {})
    assert code == 1 and told["problems"][-1] == f"{ca.bundle} is missing: keepwarm ca bundle"


def test_for_a_reader(local_ca):
    ca = local_ca("a.test").create("b.test", days=20)
    done = run("ca", "status", "--config", config_file(ca, hosts("a.test", "c.test")))
    assert done.returncode == 1
    for part in (f"local CA in {ca.folder}\n", "\ngeneration 1  (", "\n  may name     a.test\n", " (19 days)\n", "\n  signs        yes\n",
                 "\nhosts with intercept = true\n  a.test  by generation 1\n  c.test  may not be named\n",
                 "\nwrong\n  c.test may not be named: it is a tunnel\n"):
        assert part in done.stdout
    assert "\x1b" not in done.stdout


def test_a_ca_for_any_host_is_red_on_a_terminal(local_ca):
    ca = local_ca()
    command = [str(binary()), "ca", "create", "--any-host", "--config", config_file(ca, {})]
    ours, its = pty.openpty()
    os.write(ours, b"yes\n")
    subprocess.run(command, stdin=its, stdout=subprocess.DEVNULL, check=True, timeout=scaled(60))
    command[2:4] = ["status"]
    subprocess.run(command, stdin=its, stdout=its, check=True, timeout=scaled(60))
    os.close(its)
    said = b""
    while b"fingerprint" not in said:
        said += os.read(ours, 4096)
    os.close(ours)
    assert b"\x1b[31many host\x1b[0m" in said
    assert run("ca", "status", "--config", config_file(ca, hosts("a.test", "192.0.2.7"))).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="takes another user")
def test_a_user_who_may_not_see_the_keys_sees_the_rest(tmp_path):
    """Nothing is wrong with that."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        program, config = Path(place, "keepwarm"), Path(place, "k.toml")
        shutil.copy(binary(), program)
        config.write_text(to_toml(merged({"intercept": {"ca": f"{place}/ca"}}, hosts("a.test"))))
        assert run("ca", "create", "--config", str(config)).returncode == 0
        user = [shutil.which("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = subprocess.run([*user, str(program), "ca", "status", "--json", "--config", str(config)], capture_output=True,
                              text=True, timeout=scaled(60))
        told = json.loads(done.stdout)
        assert (done.returncode, told["problems"]) == (0, []) and told["hosts"] == [{"host": "a.test", "generation": 1}]
        done = subprocess.run([*user, str(program), "exec", "--config", str(config), "--", "sh", "-c", "cat $SSL_CERT_FILE"],
                              capture_output=True, text=True, timeout=scaled(60))
        assert done.stdout.endswith(Path(place, "ca-public", "roots.pem").read_text())
