"""apt-get pipelines its requests. It works here on a system of its own under a temporary folder."""

import hashlib
import os
from email.utils import formatdate

PACKAGES = 30


def build_repository(root, scratch, command) -> dict[str, bytes]:
    """Packages from dpkg-deb and an index by hand; the files by name."""
    files, index = {}, []
    for number in range(PACKAGES):
        name = f"warm{number}"
        tree = scratch / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "payload").write_bytes(os.urandom(number * 9_000))
        control = (f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\n"
                   f"Description: package {number} of a test\n")
        (tree / "DEBIAN" / "control").write_text(control)
        file = root / f"{name}_1.0_all.deb"
        command("dpkg-deb", "--root-owner-group", "--build", tree, file)
        data = file.read_bytes()
        files[file.name] = data
        index.append(f"{control}Filename: ./{file.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")
    packages = "\n".join(index).encode()
    (root / "Packages").write_bytes(packages)
    (root / "Release").write_text(f"Date: {formatdate(usegmt=True)}\nSHA256:\n"
                                  f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n")
    return files


def apt_options(system, proxy: str) -> list[str]:
    for folder in ("etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial", "log"):
        (system / folder).mkdir(parents=True)
    (system / "status").touch()
    settings = {
        "Dir::Etc": system / "etc", "Dir::State": system / "state", "Dir::State::status": system / "status",
        "Dir::Cache": system / "cache", "Dir::Log": system / "log", "APT::Sandbox::User": "", "APT::Architecture": "amd64",
        "Acquire::http::Proxy": proxy, "Acquire::Retries": 0, "Acquire::Languages": "none",
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def test_apt_get_from_a_local_repository(keepwarm, nginx, command, tmp_path):
    server, daemon, system = nginx(), keepwarm(), tmp_path / "system"
    files = build_repository(server.root, tmp_path / "trees", command)
    options = apt_options(system, f"http://{daemon.at}")
    (system / "etc" / "sources.list").write_text(f"deb [trusted=yes] {server.url()} ./\n")
    empty = tmp_path / "apt.conf"
    empty.touch()
    names = [f"warm{number}" for number in range(PACKAGES)]
    print(command("apt-get", *options, "update", env={"APT_CONFIG": str(empty)}).stdout.decode())
    command("apt-get", *options, "download", *names, env={"APT_CONFIG": str(empty)}, cwd=tmp_path)
    for name, data in files.items():
        assert (tmp_path / name).read_bytes() == data
    lines = [line for line in server.log_lines(PACKAGES) if line[2].endswith(".deb")]
    assert len(lines) == PACKAGES and all(line[3] == "200" for line in lines), "each was fetched once"
