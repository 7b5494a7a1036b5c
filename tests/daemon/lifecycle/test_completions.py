"""The completions that the build makes (packaging/manual), tried with the shells themselves."""

import os
import pty
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.waiting import binary, scaled

COMMANDS = {"run", "check", "explain", "probe", "ca", "env", "exec", "help", "version"}
ALWAYS = {"--help", "--version"}


def script(name: str) -> Path:
    file = Path(binary()).parent / "manual" / name
    if not file.exists():
        pytest.skip(f"{file} has not been built (target manual)")
    return file


def shell(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"this machine has no {name}")


class Bash:
    def __init__(self, folder: Path):
        self.folder = folder

    def complete(self, words: list[str]) -> set[str]:
        text = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keepwarm; printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run([shell("bash"), "--norc", "-c", text, "bash", script("keepwarm.bash"), *words],
                              cwd=self.folder, capture_output=True, text=True, timeout=scaled(60))
        assert done.stderr == ""
        return set(done.stdout.split())

    def close(self) -> None:
        pass


class Fish(Bash):
    def complete(self, words: list[str]) -> set[str]:
        text = f"source {script('keepwarm.fish')}; complete -C '{' '.join(words)}'"
        done = subprocess.run([shell("fish"), "--no-config", "-c", text], cwd=self.folder,
                              env=os.environ | {"HOME": str(self.folder)}, capture_output=True, text=True,
                              timeout=scaled(60))
        assert done.stderr == ""
        return {offer.split("\t")[0] for offer in done.stdout.splitlines()}


class Zsh:
    """Completes on a terminal only, so this types the words into one. Starting takes long, so one does for all."""

    RC = """
        fpath=($HOME $fpath)
        autoload -Uz compinit && compinit -u -D
        compadd() {  # writes down what would be offered
          if (( ${@[(I)-[OAD]*]} )); then builtin compadd "$@"; return; fi
          local -a offers
          builtin compadd -A offers "$@"
          (( $#offers )) && print -rl -- $offers >> $HOME/offers
        }
        offer() { zle list-choices; BUFFER=; print END$((++count)) }
        zle -N offer && bindkey '^G' offer
        print READY
    """

    def __init__(self, folder: Path):
        program = shell("zsh")
        shutil.copy(script("_keepwarm"), folder)
        (folder / ".zshrc").write_text(self.RC)
        self.offers = folder / "offers"
        self.count = 0
        environment = {"HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(folder)
            os.execve(program, [program, "-i"], environment)
        self.read_until("READY")

    def complete(self, words: list[str]) -> set[str]:
        self.offers.write_text("")
        self.count += 1
        os.write(self.terminal, " ".join(words).encode() + b"\x07")
        self.read_until(f"END{self.count}")
        return set(self.offers.read_text().split())

    def read_until(self, mark: str) -> None:
        text = ""
        end = time.monotonic() + scaled(60)
        while mark not in text:
            assert time.monotonic() < end, text
            if select.select([self.terminal], [], [], 0.1)[0]:
                text += os.read(self.terminal, 65536).decode(errors="replace")

    def close(self) -> None:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.terminal)


@pytest.fixture(params=[Bash, Zsh, Fish], ids=["bash", "zsh", "fish"], scope="module")
def complete(request, tmp_path_factory):
    """complete(words): what the shell offers for the last of them, in a folder with my.toml."""
    folder = tmp_path_factory.mktemp("completions")
    (folder / "my.toml").write_text("")
    running = request.param(folder)
    yield lambda *words: running.complete(list(words))
    running.close()


def test_commands_are_offered(complete):
    assert COMMANDS <= complete("keepwarm", "")


def test_options_of_the_command_are_offered_and_no_others(complete):
    offered = complete("keepwarm", "probe", "--")
    assert {"--config", "--max"} | ALWAYS <= offered
    assert "--listen" not in offered
    assert "--max" not in complete("keepwarm", "check", "--")


def test_options_before_a_command_are_offered(complete):
    assert {"--config", "--listen"} | ALWAYS <= complete("keepwarm", "--")


def test_the_value_of_config_is_a_file(complete):
    assert "my.toml" in complete("keepwarm", "check", "--config", "")
    assert not COMMANDS & complete("keepwarm", "check", "--config", "")


def test_help_takes_a_command(complete):
    assert COMMANDS <= complete("keepwarm", "help", "")


def test_nothing_is_offered_where_an_address_is_to_come(complete):
    assert not complete("keepwarm", "run", "--listen", "")
