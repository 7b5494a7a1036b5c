"""The CA of the system's service, made by root where systemd is: in a mount namespace whose /etc and /run are its own."""

import os
import shutil
import subprocess

import pytest
from support.waiting import binary, scaled

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv") or not shutil.which("unshare")
    or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0, reason="takes root and a mount namespace")


def in_namespace(folder, script: str) -> subprocess.CompletedProcess:
    begin = """
        cd "$1"; cp -a /etc etc; rm -rf etc/keepwarm etc/systemd/system/keepwarm.service.d; mount --bind etc /etc
        mount -t tmpfs none /run; cp "$K" /run/keepwarm; unset SSL_CERT_FILE
    """
    return subprocess.run(["unshare", "-m", "sh", "-euc", begin + script, "sh", str(folder)], capture_output=True, text=True,
                          env={**os.environ, "K": str(binary())}, timeout=scaled(120))


def test_the_service_is_handed_the_keys_and_reads_the_rest_itself(tmp_path):
    """As systemd does it, by what the drop-in says: the user of the service gets copies in a folder of its own."""
    done = in_namespace(tmp_path, """
        mkdir -p /run/systemd/system
        mkdir /etc/keepwarm
        printf '[proxy]\nlisten = ["127.0.0.1:0"]\n[host."a.test"]\nintercept = true\n' > /etc/keepwarm/keepwarm.toml
        "$K" ca create > said
        "$K" ca create --permit b.test > said-again
        cat /etc/systemd/system/keepwarm.service.d/ca.conf > drop-in
        mkdir /run/credentials; echo > /run/plain.toml
        sed -n 's/^LoadCredential=\\([^:]*\\):\\(.*\\)/\\1 \\2/p' drop-in | while read name file; do cp "$file" /run/credentials/$name; done
        chown -R 65534:65534 /run/credentials
        serve() {
            setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent "$@" /run/keepwarm run > log 2>&1 & pid=$!
            until grep -q ready log; do kill -0 $pid; sleep 0.02; done
            kill $pid; wait $pid
        }
        serve CREDENTIALS_DIRECTORY=/run/credentials; mv log with
        sed -i '1i [intercept]\\nkey = "credential:ca.2.key"' /etc/keepwarm/keepwarm.toml
        serve CREDENTIALS_DIRECTORY=/run/credentials; mv log with-named
        "$K" ca status > status || true
        sed -i 1,2d /etc/keepwarm/keepwarm.toml
        serve X=; mv log without
        setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent /run/keepwarm env --ca --config /run/plain.toml > env
        stat -c %a /etc/keepwarm /etc/keepwarm/ca /etc/keepwarm/ca-public > modes
    """)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by /etc/systemd/system/keepwarm.service.d/ca.conf\nnext: systemctl daemon-reload && systemctl restart keepwarm" in \
        (tmp_path / "said").read_text()
    lines = (tmp_path / "drop-in").read_text().splitlines()
    assert lines[-5:] == ["[Service]", "LoadCredential=ca.key:/etc/keepwarm/ca/issuer.key", "SetCredential=ca.key:none",
                          "LoadCredential=ca.2.key:/etc/keepwarm/ca/2/issuer.key", "SetCredential=ca.2.key:none"]
    for log in ("with", "with-named"):
        assert "local CA" not in (tmp_path / log).read_text()
    assert "local CA: there is no local CA in /nonexistent/.config/keepwarm/ca: " in (tmp_path / "without").read_text()
    assert "wrong" not in (tmp_path / "status").read_text(), "root sees the files that the credentials are made of"
    assert "export SSL_CERT_FILE='/etc/keepwarm/ca-public/bundle.pem'\n" in (tmp_path / "env").read_text()
    assert (tmp_path / "modes").read_text().split() == ["755", "700", "755"]


def test_without_systemd_there_is_no_drop_in(tmp_path):
    done = in_namespace(tmp_path, """
        "$K" ca create --permit a.test > said
        test ! -e /etc/systemd/system/keepwarm.service.d
        mkdir -p /run/systemd/system; echo > other.toml
        "$K" ca create --permit a.test --config "$1/other.toml" > said
        test ! -e /etc/systemd/system/keepwarm.service.d
    """)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "said").read_text().endswith("next: have the daemon reload its configuration (SIGHUP)\n")
