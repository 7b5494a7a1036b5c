"""`keepwarm ca install` and `uninstall`, in a mount namespace whose store is a copy of this machine's or made up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.local_ca import COPY_OF_DEBIANS_STORE, run
from support.waiting import binary, scaled

ANCHORS = Path("/usr/local/share/ca-certificates")


def may_mount() -> bool:
    return shutil.which("unshare") is not None and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not may_mount(), reason="takes a mount namespace")


def in_namespace(script: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs it with $1 … where mounts are its own; $K is keepwarm."""
    env = {**os.environ, "K": str(binary())}
    return subprocess.run(["unshare", "-m", "sh", "-euc", script, "sh", *arguments], env=env, capture_output=True, text=True,
                          timeout=scaled(300))


def test_what_would_be_done_is_said_and_not_done(local_ca):
    ca = local_ca("a.test")
    before = sorted(ANCHORS.glob("keepwarm-*"))
    for command in ("install", "uninstall"):
        done = run("ca", command, "--dry-run", "--store", "all", "--config", str(ca.config_file))
        assert all(line.startswith(("system: would ", "nss: would ", "java: would ", "system: nothing", "nss: there", "java: "))
                   for line in done.stdout.splitlines())
    assert sorted(ANCHORS.glob("keepwarm-*")) == before


def test_without_a_ca_nothing_can_be_installed(local_ca):
    ca = local_ca()
    done = run("ca", "install", "--config", str(ca.config_file))
    assert (done.returncode, done.stderr) == (1, f"keepwarm ca install: there is no local CA in {ca.folder}: keepwarm ca create\n")
    assert run("ca", "install", "--store", "x", "--config", str(ca.config_file)).returncode == 2


@needs_mounts
@pytest.mark.skipif(not ANCHORS.exists() or not shutil.which("update-ca-certificates"), reason="takes Debian's store")
def test_the_store_of_debian_trusts_it_and_then_is_as_before(local_ca):
    ca = local_ca("a.test").create("b.test")
    place = ca.folder.parent
    done = in_namespace(COPY_OF_DEBIANS_STORE + """
        update-ca-certificates --fresh > "$1/log" 2>&1   # whatever state this machine's is in
        cp -a /etc/ssl/certs "$1/before"
        openssl verify -CApath /etc/ssl/certs "$1/ca-public/issuer.crt" && exit 1
        "$K" ca install --config "$1/ca.toml" >> "$1/said" 2>> "$1/log"
        for root in "$1/ca-public/issuer.crt" "$1/ca-public/2/issuer.crt"; do openssl verify -CApath /etc/ssl/certs "$root"; done
        grep -qF "$(sed -n 2p "$1/ca-public/root.crt")" /etc/ssl/certs/ca-certificates.crt
        "$K" ca install --config "$1/ca.toml" >> "$1/said" 2>> "$1/log"
        "$K" ca uninstall --config "$1/ca.toml" >> "$1/said" 2>> "$1/log"
        diff -r --no-dereference --exclude=java "$1/before" /etc/ssl/certs
        for store in "$1/before" /etc/ssl/certs; do   # its entries have dates
            test ! -e $store/java/cacerts ||
                keytool -list -keystore $store/java/cacerts -storepass changeit 2>/dev/null | sed -n 's/^\\(debian:[^,]*\\),.*/\\1/p' | sort > "$1/java"
            cat "$1/java" >> "$1/java-twice"
        done
        test -z "$(sort "$1/java-twice" | uniq -u)"
        test -z "$(ls /usr/local/share/ca-certificates/ | grep keepwarm)"
        "$K" ca uninstall --config "$1/ca.toml"
    """, str(place))
    assert done.returncode == 0, done.stdout + done.stderr + (place / "log").read_text()
    assert done.stdout.endswith(f"system: nothing of ours is in {ANCHORS}\n")
    said = (place / "said").read_text()
    assert f"system: write {ANCHORS}/keepwarm-" in said and "system: run /usr/sbin/update-ca-certificates\n" in said


@needs_mounts
@pytest.mark.parametrize("folder, tool", [("/etc/pki/ca-trust/source/anchors", "update-ca-trust"),
                                          ("/etc/pki/trust/anchors", "update-ca-certificates")], ids=["Fedora", "SUSE"])
@pytest.mark.parametrize("code", [0, 3], ids=["works", "fails"])
def test_other_stores_by_tools_that_only_say_what_they_are_told(local_ca, tmp_path, folder, tool, code):
    ca = local_ca("a.test")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / tool).write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/ran; exit {code}\n')
    (tools / tool).chmod(0o755)
    done = in_namespace("""
        cp -a /etc "$1/etc"; mount --bind "$1/etc" /etc; mount -t tmpfs none /usr/local/share; rm -rf /etc/pki; mkdir -p "$2"
        PATH="$3:$PATH"
        "$K" ca install --config "$1/ca.toml" || echo "code $?"
        cat "$2"/keepwarm-*.crt > "$1/anchor"
        "$K" ca uninstall --config "$1/ca.toml" || echo "code $?"
        ls "$2"
    """, str(ca.folder.parent), folder, str(tools))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ca.folder.parent / "anchor").read_text() == ca.root.read_text()
    assert (tmp_path / "ran").read_text() == f"{tools / tool} \n" * 2
    assert done.stdout.count("code 1") == (2 if code else 0)
    assert done.stderr.count(f"system: {tools / tool} ended with 3\n") == (2 if code else 0)


@pytest.mark.skipif(not shutil.which("keytool") or not shutil.which("java"), reason="this machine has no Java")
def test_javas_own_store(local_ca, tmp_path):
    ca = local_ca("a.test")
    store = tmp_path / "jdk" / "lib" / "security" / "cacerts"
    store.parent.mkdir(parents=True)
    shutil.copy(ca.public / "truststore.jks", store)
    env = {**os.environ, "JAVA_HOME": str(tmp_path / "jdk")}

    def aliases() -> list[str]:
        said = subprocess.run(["keytool", "-list", "-keystore", str(store), "-storepass", "changeit"], capture_output=True,
                              text=True, check=True, timeout=scaled(120)).stdout
        return [line.split(",")[0] for line in said.splitlines() if line.startswith("keepwarm-")]

    config = str(ca.config_file)
    for _ in range(2):
        assert run("ca", "install", "--store", "java", "--config", config, env=env).returncode == 0
        assert len(aliases()) == 1
    assert run("ca", "uninstall", "--store", "java", "--config", config, env=env).returncode == 0
    assert aliases() == []
