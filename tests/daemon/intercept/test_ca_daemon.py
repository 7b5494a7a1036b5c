"""What the daemon, and `keepwarm check`, say about the files of the local CA."""

import datetime
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from support.clocks import Clocks
from support.daemon import merged, to_toml
from support.local_ca import run
from support.waiting import binary, scaled

DAY = 24 * 3600
TUNNELS = "; hosts with intercept = true are tunnels"
HOST = {"host": {"a.test": {"intercept": True}}}


def about_ca(daemon) -> list[str]:
    return [line.split("] ", 1)[1].removeprefix("local CA: ") for line in daemon.log if "local CA: " in line]


def config_of(ca, over: dict = HOST) -> dict:
    return merged(ca.config, over)


def check(ca, over: dict = HOST, env: dict | None = None):
    file = ca.folder.with_name("check.toml")
    file.write_text(to_toml(config_of(ca, over)))
    done = run("check", "--config", str(file), env=env)
    return done.returncode, done.stderr.replace(f"{file}: ", "").replace(f"{file}:", "").splitlines()


def test_a_ca_that_is_as_it_should_be_is_not_spoken_of(keepwarm, local_ca):
    daemon = keepwarm(config_of(local_ca("a.test")))
    assert about_ca(daemon) == []
    assert not any("[error]" in line for line in daemon.log)


def test_without_interception_nothing_is_read(keepwarm, local_ca):
    daemon = keepwarm(local_ca().config)
    assert about_ca(daemon) == []
    assert check(local_ca(), {}) == (0, [])
    limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    soft = resource.getrlimit(resource.RLIMIT_CORE)[0]
    assert f"Max core file size        {'unlimited' if soft < 0 else soft} " in limits


def test_no_ca_does_not_stop_the_daemon(keepwarm, local_ca):
    ca = local_ca()
    daemon = keepwarm(config_of(ca))
    assert about_ca(daemon) == [f"there is no local CA in {ca.folder}: keepwarm ca create{TUNNELS}"]


def test_a_problem_is_logged_once_and_a_reload_reads_again(keepwarm, local_ca):
    ca = local_ca()
    daemon = keepwarm(config_of(ca))
    since = daemon.reload(config_of(ca))
    daemon.wait_log("configuration reloaded", since=since)
    assert len(about_ca(daemon)) == 1
    ca.create("a.test")
    daemon.wait_log("configuration reloaded", since=daemon.reload(config_of(ca)))
    shutil.rmtree(ca.folder)
    shutil.rmtree(ca.public)
    daemon.wait_log("configuration reloaded", since=daemon.reload(config_of(ca)))
    assert len(about_ca(daemon)) == 2


@pytest.mark.parametrize("file, text, problem", [
    ("root.crt", "junk", "root.crt: it holds no certificate in PEM"),
    ("issuer.key", "junk", "issuer.key holds no private key in PEM"),
], ids=["certificate", "key"])
def test_junk(keepwarm, local_ca, file, text, problem):
    ca = local_ca("a.test")
    (ca.folder / file).write_text(text)
    assert about_ca(keepwarm(config_of(ca))) == [f"{ca.folder}/{problem}{TUNNELS}"]


def test_a_key_that_others_can_read(keepwarm, local_ca):
    ca = local_ca("a.test").create("b.test")
    (ca.folder / "2" / "issuer.key").chmod(0o640)
    problem = f"{ca.folder}/2/issuer.key can be used by others than its owner (mode 0640): chmod 600"
    assert about_ca(keepwarm(config_of(ca))) == [problem], "the first generation is of use"
    assert check(ca) == (1, [f"2:6: intercept.ca: {problem}"])
    key = ca.folder.with_name("k.key")
    shutil.copy(ca.folder / "issuer.key", key)
    key.chmod(0o604)
    code, errors = check(ca, merged(HOST, {"intercept": {"key": str(key)}}))
    assert code == 1 and errors == [f"3:7: intercept.key: {key} can be used by others than its owner (mode 0604): chmod 600"]
    key.chmod(0o600)
    assert check(ca, merged(HOST, {"intercept": {"key": str(key)}})) == (0, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user(keepwarm, local_ca):
    ca = local_ca("a.test")
    os.chown(ca.folder / "issuer.key", 4711, 4711)
    problem = f"{ca.folder}/issuer.key belongs to neither root nor this user, but to the user 4711"
    assert about_ca(keepwarm(config_of(ca))) == [problem + TUNNELS]
    assert check(ca) == (1, [f"2:6: intercept.ca: {problem}"])


def test_a_key_that_the_service_manager_hands_over(keepwarm, local_ca, tmp_path):
    ca = local_ca("a.test")
    (ca.folder / "issuer.key").rename(tmp_path / "ca.key")
    (tmp_path / "ca.key").chmod(0o440)
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert about_ca(keepwarm(config_of(ca), env=env)) == []
    named = merged(HOST, {"intercept": {"key": "credential:ca.key"}})
    assert about_ca(keepwarm(config_of(ca, named), env=env)) == []
    assert check(ca, named, env={**os.environ, **env}) == (0, [])
    code, warnings = check(ca, named)
    assert code == 0 and warnings[0].startswith("warning: intercept.key: names a credential of the service")


def test_check_warns_of_a_ca_that_is_of_no_use(local_ca):
    ca = local_ca()
    assert check(ca) == (0, [f"warning: intercept.ca: there is no local CA in {ca.folder}: keepwarm ca create"])
    ca.create("b.test")
    hosts = {name: {"intercept": True} for name in ("a.test", "b.test", "x.b.test", "*.b.test", "*.test", "192.0.2.7", "*")}
    code, warnings = check(ca, {"host": hosts})
    assert code == 0 and sorted(warnings) == [
        f'warning: host."{name}".intercept: the local CA may not name this host, so it is a tunnel: keepwarm ca create'
        for name in ("*.test", "192.0.2.7", "a.test")]
    ca.create("test").create("192.0.2.7")
    assert check(ca, {"host": hosts}) == (0, [])


def test_the_end_is_warned_of_and_told(keepwarm, local_ca):
    ca = local_ca("a.test", days=59)
    end = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=59)).strftime("%Y-%m-%d")
    [warning] = about_ca(keepwarm(config_of(ca)))
    assert warning.startswith("generation 1 (") and warning.endswith(f") ends on {end}: keepwarm ca create, and have clients "
                                                                     "trust that one, too")
    ca.create("b.test")
    assert len(about_ca(keepwarm(config_of(ca)))) == 1, "it does not name the same hosts"
    ca.create("test")
    assert about_ca(keepwarm(config_of(ca))) == []
    assert about_ca(keepwarm(config_of(local_ca("a.test", days=61)))) == []


def test_a_ca_that_has_expired(local_ca, tmp_path):
    ca = local_ca("a.test", days=2)
    file = ca.folder.with_name("check.toml")
    file.write_text(to_toml(config_of(ca)))
    clocks = Clocks(tmp_path)
    clocks.step(3 * DAY)
    done = run("check", "--config", str(file), env={**os.environ, **clocks.env})
    assert done.returncode == 0 and "warning: intercept.ca: the local CA has expired: keepwarm ca create" in done.stderr


def test_nobody_looks_into_the_memory(keepwarm, local_ca):
    daemon = keepwarm(config_of(local_ca("a.test")))
    limits = Path(f"/proc/{daemon.pid}/limits").read_text()
    assert "Max core file size        0                    0" in limits


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="takes another user")
def test_the_same_user_cannot_look_either(local_ca):
    user = [shutil.which("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
    with tempfile.TemporaryDirectory() as place:
        ca = local_ca("a.test")
        program, config = Path(place, "keepwarm"), Path(place, "k.toml")
        shutil.copy(binary(), program)
        shutil.copytree(ca.folder, f"{place}/ca")
        config.write_text(to_toml(merged(HOST, {"intercept": {"ca": f"{place}/ca"}, "proxy": {"listen": ["127.0.0.1:0"]}})))
        for path in (Path(place), *Path(place).rglob("*")):
            os.chown(path, 65534, 65534)
        daemon = subprocess.Popen([*user, str(program), "run", "--config", str(config)], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        try:
            said = [next(daemon.stdout)]
            while "ready" not in said[-1]:
                said.append(next(daemon.stdout))
            assert not any("local CA" in line for line in said), said
            look = subprocess.run([*user, "cat", f"/proc/{daemon.pid}/environ"], capture_output=True, timeout=scaled(60))
            assert look.returncode != 0
        finally:
            daemon.terminate()
            daemon.communicate(timeout=scaled(60))
