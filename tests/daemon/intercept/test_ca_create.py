"""`keepwarm ca create` and `ca bundle`: which files there are afterwards, and what is in them."""

import os
import pty
import re
import stat
import subprocess
from pathlib import Path

import pytest
from support.daemon import to_toml
from support.local_ca import run
from support.waiting import binary, scaled

FILES = {"": 0o40700, "root.crt": 0o100644, "issuer.crt": 0o100644, "issuer.key": 0o100600}
PUBLIC = {"": 0o40755, "root.crt": 0o100644, "issuer.crt": 0o100644, "roots.pem": 0o100644, "bundle.pem": 0o100644,
          "truststore.jks": 0o100644}


def modes(folder: Path) -> dict[str, int]:
    """Of all that is in a folder, without sub-folders, and its own as ""."""
    found = {file.name: file.stat().st_mode for file in folder.iterdir() if not file.is_dir()}
    return {"": folder.stat().st_mode, **found}


def openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True, timeout=scaled(60)).stdout


def test_the_files_and_their_modes(local_ca):
    umask = os.umask(0o077)
    try:
        ca = local_ca("example.test")
    finally:
        os.umask(umask)
    assert modes(ca.folder) == FILES and modes(ca.public) == PUBLIC
    ca.create("other.test")
    assert modes(ca.folder) == FILES and modes(ca.public) == PUBLIC
    assert modes(ca.folder / "2") == FILES
    assert modes(ca.public / "2") == {"": 0o40755, "root.crt": 0o100644, "issuer.crt": 0o100644}
    assert ca.roots.read_text().count("BEGIN CERTIFICATE") == 2


def test_the_folder_of_the_keys_is_closed_if_it_was_open(local_ca):
    ca = local_ca()
    ca.folder.mkdir(mode=0o755)
    ca.create("example.test")
    assert modes(ca.folder) == FILES


def test_the_certificates_are_good_to_openssl(local_ca):
    ca = local_ca("example.test", "192.0.2.7")
    assert openssl("verify", "-x509_strict", "-CAfile", str(ca.root), str(ca.public / "issuer.crt")).endswith(": OK\n")
    for file in (ca.root, ca.public / "issuer.crt"):
        text = openssl("x509", "-in", str(file), "-noout", "-text")
        assert re.search(r"Name Constraints: critical\s+Permitted:\s+DNS:example.test\s+IP:192.0.2.7/255.255.255.255\s+"
                         r"Excluded:\s+IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0\n", text)
        assert re.search(r"O = keepwarm, CN = keepwarm (local CA|issuer) \S+ \d{4}-\d\d-\d\d [0-9A-F]{4}\n", text)


def test_no_file_holds_a_key_but_the_one_of_the_issuer(local_ca):
    ca = local_ca("example.test")
    holders = [file.name for file in ca.folder.parent.rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()]
    assert holders == ["issuer.key"]
    of_key = openssl("pkey", "-in", str(ca.folder / "issuer.key"), "-pubout")
    assert of_key == openssl("x509", "-in", str(ca.public / "issuer.crt"), "-noout", "-pubkey")
    assert of_key != openssl("x509", "-in", str(ca.root), "-noout", "-pubkey")


def test_without_permit_it_names_the_hosts_that_are_intercepted(local_ca):
    ca = local_ca()
    hosts = {"api.example.test": {"intercept": True}, "*.b.test:8443": {"intercept": True}, "c.test": {"intercept": False},
             "d.test": {"reuse": False}, "[2001:db8::7]:443": {"intercept": True}}
    ca.config_file.write_text(to_toml({**ca.config, "host": hosts}))
    file = ca.folder.with_name("ca.toml")
    file.write_text(to_toml({**ca.config, "host": hosts}))
    done = run("ca", "create", "--config", str(file))
    assert done.returncode == 0 and "  may name     api.example.test, b.test, 2001:db8::7\n" in done.stdout


@pytest.mark.parametrize("hosts, problem", [
    ({}, "no host says intercept = true: --permit NAME, or --any-host"),
    ({"*": {"intercept": True}}, '[host."*"] says intercept = true, which names no hosts: --permit NAME, or --any-host'),
    ({f"h{i}.test": {"intercept": True} for i in range(101)},
     "101 hosts are too many: a CA may name at most 100; a name covers all below it"),
], ids=["none", "all", "too many"])
def test_hosts_that_cannot_be_named(local_ca, hosts, problem):
    ca = local_ca()
    file = ca.folder.with_name("hosts.toml")
    file.write_text(to_toml({**ca.config, "host": hosts}))
    done = run("ca", "create", "--config", str(file))
    assert (done.returncode, done.stderr, done.stdout) == (1, f"keepwarm ca create: {problem}\n", "")
    assert not ca.folder.exists()


@pytest.mark.parametrize("name, problem", [("*", "any host takes --any-host"), ("a.test:443", "a certificate is for a host, "
                                           "without a port"), ("a b", "a character in it cannot be part of a host name")])
def test_names_that_cannot_be_permitted(local_ca, name, problem):
    done = run("ca", "create", "--config", str(local_ca().config_file), "--permit", name)
    assert done.returncode == 1 and done.stderr.startswith(f'keepwarm ca create: --permit "{name}": {problem}')


@pytest.mark.parametrize("arguments", [["--days", "0"], ["--days", "3651"], ["--days", "1x"], ["--any-host", "--permit", "a"]])
def test_options_that_make_no_sense(local_ca, arguments):
    assert run("ca", "create", "--config", str(local_ca().config_file), *arguments).returncode == 2


def test_the_lifetime(local_ca):
    ca = local_ca("example.test", days=3)
    for file in (ca.root, ca.public / "issuer.crt"):
        text = str(file)
        assert subprocess.run(["openssl", "x509", "-in", text, "-noout", "-checkend", str(3 * 86400 - 600)]).returncode == 0
        assert subprocess.run(["openssl", "x509", "-in", text, "-noout", "-checkend", str(3 * 86400 + 600)]).returncode == 1


def at_terminal(answer: str, *arguments: str) -> tuple[int, str]:
    """Runs it with a terminal as its input, on which that is typed."""
    ours, its = pty.openpty()
    process = subprocess.Popen([str(binary()), *arguments], stdin=its, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    os.close(its)
    os.write(ours, answer.encode())
    said = process.communicate(timeout=scaled(60))[0]
    os.close(ours)
    return process.returncode, said


def test_a_ca_for_any_host_takes_a_yes_at_a_terminal(local_ca):
    ca = local_ca()
    command = ["ca", "create", "--any-host", "--config", str(ca.config_file)]
    assert run(*command, stdin=None, input="yes\n").returncode == 1
    assert at_terminal("y\n", *command)[0] == 1
    assert not ca.folder.exists()
    code, said = at_terminal("yes\n", *command)
    assert code == 0 and "  may name     any host\n" in said
    assert "Name Constraints" not in openssl("x509", "-in", str(ca.root), "-noout", "-text")


def test_the_bundle_has_the_authorities_of_the_system_and_ours(local_ca, tmp_path):
    ca = local_ca()
    system = tmp_path / "system.pem"
    system.write_text("# those of the system, without an end of the line")
    env = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(system)}
    assert run("ca", "create", "--permit", "a.test", "--config", str(ca.config_file), env=env).returncode == 0
    root = ca.root.read_text()
    first = f"{system.read_text()}\n{ca.roots.read_text()}"
    assert ca.bundle.read_text() == first and root in first
    output = tmp_path / "out.pem"
    system.write_text("# others\n")
    done = run("ca", "bundle", "--config", str(ca.config_file), "--output", str(output), env=env)
    assert (done.returncode, done.stdout) == (0, f"wrote {output}: the authorities of {system}, and 1 root of ours\n")
    assert output.read_text() == "# others\n" + ca.roots.read_text()
    assert stat.S_IMODE(output.stat().st_mode) == 0o644
    assert ca.bundle.read_text() == first, "another place was named"
    assert run("ca", "bundle", "--config", str(ca.config_file), env=env).returncode == 0
    assert ca.bundle.read_text() == output.read_text()


def test_a_bundle_of_ours_is_not_taken_for_the_system(local_ca):
    """Inside of `keepwarm exec` SSL_CERT_FILE names it."""
    ca = local_ca("a.test")
    env = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(ca.bundle)}
    assert run("ca", "bundle", "--config", str(ca.config_file), env=env).returncode == 0
    assert ca.bundle.read_text().count(ca.root.read_text()) == 1


def test_files_that_were_put_there_by_hand_are_published(local_ca):
    ca = local_ca("a.test")
    there = {name: (ca.public / name).read_text() for name in ("root.crt", "issuer.crt", "roots.pem")}
    for file in ca.public.iterdir():
        file.unlink()
    ca.public.rmdir()
    assert run("ca", "bundle", "--config", str(ca.config_file)).returncode == 0
    assert {name: (ca.public / name).read_text() for name in there} == there


def test_no_ca_and_a_broken_one(local_ca):
    ca = local_ca()
    done = run("ca", "bundle", "--config", str(ca.config_file))
    assert (done.returncode, done.stderr) == (1, f"keepwarm ca bundle: there is no local CA in {ca.folder}: keepwarm ca create\n")
    ca.create("a.test").create("b.test")
    (ca.folder / "root.crt").write_text("junk")
    done = run("ca", "bundle", "--config", str(ca.config_file))
    assert (done.returncode, done.stderr) == (1, f"keepwarm ca bundle: {ca.folder}/root.crt: it holds no certificate in PEM\n")
    assert ca.roots.read_text().count("BEGIN CERTIFICATE") == 1, "the other one is of use"


def test_two_at_a_time_make_two_generations(local_ca):
    ca = local_ca()
    command = [str(binary()), "ca", "create", "--config", str(ca.config_file), "--permit", "a.test"]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(scaled(60)) for process in both] == [0] * 4
    assert all((ca.folder / number / "issuer.key").exists() for number in ("", "2", "3", "4"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(local_ca):
    ca = local_ca()
    ca.folder.mkdir()
    os.chown(ca.folder, 4711, 4711)
    done = run("ca", "create", "--config", str(ca.config_file), "--permit", "a.test")
    assert done.returncode == 1
    assert done.stderr == f"keepwarm ca create: {ca.folder}: belongs to neither root nor this user, but to the user 4711\n"
