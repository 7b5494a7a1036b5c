#!/usr/bin/env python3
"""Checks that includes point downwards only, as the layers of core/README.md do. Usage: check_includes.py ROOT"""

import pathlib
import re
import sys

# What the files of a layer may include of the project: itself and the layers below it.
BELOW = {
    "core/base": [],
    "core/http": ["core/base"],
    "core/policy": ["core/base", "core/http"],
    "core/net": ["core/base"],
    "core/pool": ["core/base", "core/http", "core/policy", "core/net"],
    "core/proxy": ["core/base", "core/http", "core/policy", "core/net", "core/pool"],
    "config": ["core/base", "core/http", "core/policy"],
    "daemon/cli": ["core/base", "config"],
    "packaging/manual": ["core/base", "config", "daemon/cli"],
    "daemon": ["daemon/cli", "core/base", "core/http", "core/policy", "core/net", "core/pool", "core/proxy", "config"],
}

# Where the headers of a library may be included: folders or files.
LIBRARIES = {
    "uv.h": ["core/net/", "daemon/lifecycle.h", "daemon/probe/run.h"],
    "uv/": ["core/net/"],
    "ares": ["core/net/dns/"],
    "llhttp": ["core/http/"],
    "openssl/": ["core/net/"],
    "toml": ["config/load.cpp"],
    "spdlog": ["daemon/"],
    "fmt/": ["daemon/"],
    "CLI/": ["daemon/cli/parser.cpp"],
    "systemd/": [],
}

# How a header says that only its own layer may include it.
PRIVATE = "Private to "

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    """The layer that a path belongs to; None: none of ours."""
    return next((layer for layer in BELOW if path.startswith(layer + "/")), None)


def fault_of(root, path, quote, included):
    """What is wrong with one include; None: nothing."""
    for library, allowed in LIBRARIES.items():
        if included.startswith(library):
            return None if any(path.startswith(place) for place in allowed) else f"{included} may not be used here"
    if quote == "<":
        return None
    layer, target = layer_of(path), layer_of(included)
    if target is None or not (root / included).is_file():
        return f'"{included}" is no header of a layer'
    if target != layer and target not in BELOW[layer]:
        return f'"{included}": {layer} stands below {target}, or beside it'
    if target != layer and PRIVATE + target in (root / included).read_text():
        return f'"{included}" is private to {target}'
    return None


def check(root):
    """Returns the faults, as FILE:LINE: TEXT, and the number of files that were looked at."""
    faults = []
    files = sorted({file for layer in BELOW for file in (root / layer).glob("**/*") if file.suffix in (".h", ".cpp")})
    for file in files:
        path = file.relative_to(root).as_posix()
        for number, line in enumerate(file.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            fault = found and fault_of(root, path, found[1], found[2])
            if fault:
                faults.append(f"{path}:{number}: {fault}")
    return faults, len(files)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    faults, files = check(pathlib.Path(sys.argv[1]))
    if files == 0:
        sys.exit("there is nothing to look at: is this the project's folder?")
    print("\n".join(faults) or f"the includes of {files} files point downwards")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
