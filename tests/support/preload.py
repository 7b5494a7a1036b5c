"""Libraries in C that a test preloads into a daemon."""

import os
import shutil
import subprocess
from pathlib import Path

from .waiting import sanitized


def preloaded(name: str, folder: Path) -> dict:
    """Builds `name`.c of this folder into `folder`; the environment of a daemon that has it."""
    source, library = Path(__file__).with_name(f"{name}.c"), folder / f"{name}.so"
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    env = {"LD_PRELOAD": str(library)}
    if sanitized():
        env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return env
