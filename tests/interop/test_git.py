"""git clone and push over CONNECT, from an Apache httpd that speaks TLS and runs git's own http-backend: through a tunnel, and
intercepted."""

import os
import random
import shutil

import pytest

from intercepting import Site
from servers import program
from support import tls


@pytest.fixture
def repository(tmp_path, command):
    """A bare repository with some megabytes of history."""
    work = tmp_path / "work"
    command("git", "init", "-q", "-b", "main", work)
    identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.com"]
    for number in range(20):
        (work / f"file{number}").write_bytes(random.Random(number).randbytes(200_000))
        command("git", "-C", work, "add", ".")
        command("git", *identity, "-C", work, "commit", "-q", "-m", f"commit {number}")
    return work


@pytest.fixture
def git_server(apache, repository, command):
    """git_server(certificate, key): (the httpd, the bare repository /git/project.git)."""

    def start(file, key):
        backend = command(program("git"), "--exec-path").stdout.decode().strip() + "/git-http-backend"
        server = apache(lambda folder: f"""
            SSLEngine on
            SSLCertificateFile {folder}/server.crt
            SSLCertificateKeyFile {folder}/server.key
            SetEnv GIT_PROJECT_ROOT {folder}/git
            SetEnv GIT_HTTP_EXPORT_ALL
            SetEnv GIT_CONFIG_COUNT 1
            SetEnv GIT_CONFIG_KEY_0 http.receivepack
            SetEnv GIT_CONFIG_VALUE_0 true
            ScriptAlias /git/ {backend}/
        """, modules=("ssl", "socache_shmcb"), files={"server.crt": file, "server.key": key})
        bare = server.folder / "git" / "project.git"
        command("git", "clone", "-q", "--bare", repository, bare)
        if os.geteuid() == 0:
            for folder, _, names in os.walk(bare):
                for name in (".", *names):
                    shutil.chown(os.path.join(folder, name), "www-data", "www-data")
        return server, bare

    return start


def clone_and_push(git: list, site: str, repository, bare, command, clone) -> None:
    """git: the command that goes through the daemon."""
    command(*git, "clone", "-q", f"{site}/git/project.git", clone)
    head = command("git", "-C", repository, "rev-parse", "HEAD").stdout
    assert command("git", "-C", clone, "rev-parse", "HEAD").stdout == head
    assert (clone / "file19").read_bytes() == (repository / "file19").read_bytes()

    (clone / "new").write_bytes(os.urandom(2_000_000))  # more than http.postBuffer: git sends it in chunks
    command("git", "-C", clone, "add", "new")
    command("git", "-c", "user.name=Nobody", "-c", "user.email=nobody@example.com", "-C", clone, "commit", "-qm", "new")
    command(*git, "-C", clone, "push", "-q", "origin", "HEAD")
    pushed = command("git", "-C", clone, "rev-parse", "HEAD").stdout
    assert command("git", "-c", f"safe.directory={bare}", "-C", bare, "rev-parse", "main").stdout == pushed


def test_git_clones_and_pushes(keepwarm, git_server, certificate, repository, command, tmp_path):
    server, bare = git_server(*certificate)
    daemon = keepwarm(f"[proxy]\nconnect_ports = [{server.port}]")
    git = ["git", "-c", f"http.proxy=http://{daemon.at}", "-c", f"http.sslCAInfo={certificate[0]}"]
    clone_and_push(git, f"https://localhost:{server.port}", repository, bare, command, tmp_path / "clone")


def test_git_clones_and_pushes_when_intercepted(keepwarm, git_server, repository, command, tmp_path):
    shown = tls.certificate()
    server, bare = git_server(shown.chain, shown.key)
    site = Site(tmp_path).serve(keepwarm, server.at)
    clone_and_push([*site.exec, "git"], site.url, repository, bare, command, tmp_path / "clone")
    site.daemon.wait_log(r" POST https://\S* 200 .*road=intercept", count=2)
