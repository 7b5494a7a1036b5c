"""What is shipped around the program."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_unit_files_are_sound_and_the_service_is_confined(command, tmp_path):
    service = (ROOT / "systemd" / "keepwarm.service").read_text()
    # The program need not be installed where the tests run.
    (tmp_path / "keepwarm.service").write_text(re.sub(r"=keepwarm (\w+)", r"=/bin/true \1", service))
    shutil.copy(ROOT / "systemd" / "keepwarm.socket", tmp_path)
    done = command("systemd-analyze", "verify", tmp_path / "keepwarm.service", tmp_path / "keepwarm.socket")
    assert done.stderr == b""
    command("systemd-analyze", "security", "--offline=true", "--threshold=20", tmp_path / "keepwarm.service")


def test_the_unit_shows_how_secrets_are_handed_over(command, tmp_path):
    """Its examples are taken as they stand, but for the group."""
    service = (ROOT / "systemd" / "keepwarm.service").read_text()
    shown = re.findall(r"(?m)^#(\w+)=", service)
    assert shown == ["LoadCredential", "LoadCredentialEncrypted", "SupplementaryGroups"]
    assert re.search(r"(?m)^StateDirectory=keepwarm$", service)
    service = re.sub(r"(?m)^#(\w+=)", r"\1", service).replace("=GROUP", "=nogroup")
    (tmp_path / "keepwarm.service").write_text(re.sub(r"=keepwarm (\w+)", r"=/bin/true \1", service))
    done = command("systemd-analyze", "verify", tmp_path / "keepwarm.service")
    assert done.stderr == b""


def test_each_sandbox_line_of_the_service_has_its_reason():
    lines = (ROOT / "systemd" / "keepwarm.service").read_text().splitlines()
    sandbox = range(lines.index("DynamicUser=yes"), lines.index("[Install]"))
    bare = [lines[n] for n in sandbox if re.match(r"\w+=", lines[n]) and not re.match(r"#|\w+=", lines[n - 1])]
    assert not bare, f"without a comment above: {bare}"


def test_the_units_neither_give_up_nor_ask_for_addresses_that_may_be_missing():
    """A start that fails is tried again for as long as an address may still come, but not where that heals nothing."""
    service, sockets = ((ROOT / "systemd" / f"keepwarm.{kind}").read_text().splitlines() for kind in ("service", "socket"))
    assert {"StartLimitIntervalSec=0", "Restart=on-failure", "RestartPreventExitStatus=1 2"} <= set(service)
    # RestartPreventExitStatus= does not hold for it.
    assert not any(line.startswith("ExecStartPre=") for line in service)
    assert "FreeBind=yes" in sockets


def test_run_sh_says_what_it_can_do(command):
    usage = command(ROOT / "packaging" / "run.sh", "--help").stdout.decode()
    assert "--no-start" in usage and "--install" in usage
