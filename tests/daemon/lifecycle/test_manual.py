"""The manual pages that the build makes (packaging/manual): programs that know manual pages find nothing wrong with them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.waiting import binary, scaled

PAGES = ["keepwarm.1", "keepwarm.toml.5"]


def page(name: str) -> str:
    file = Path(binary()).parent / "manual" / name
    if not file.exists():
        pytest.skip(f"{file} has not been built (target manual)")
    return str(file)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    if shutil.which(arguments[0]) is None:
        pytest.skip(f"this machine has no {arguments[0]}")
    return subprocess.run(arguments, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=scaled(20))


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_finds_nothing_wrong(name):
    result = run("mandoc", "-T", "lint", page(name))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("name", PAGES)
def test_man_warns_of_nothing(name):
    result = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page(name), LC_ALL="C.UTF-8", MANROFFSEQ="",
                 MANWIDTH="80")
    assert (result.returncode, result.stderr) == (0, "")


def test_what_is_read_can_be_copied():
    """Paths and options are not hyphenated, and hyphens are those of the keyboard."""
    text = run("man", "-E", "UTF-8", "-l", page("keepwarm.1"), LC_ALL="C.UTF-8", MANWIDTH="80").stdout
    assert "keepwarm check [--config FILE]" in text
    assert "/etc/keepwarm/keepwarm.toml" in text
    assert "\u2010" not in text
