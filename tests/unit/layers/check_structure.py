#!/usr/bin/env python3
"""Checks what keeps the code readable and a compiler does not see. Usage: check_structure.py ROOT

Prints figures, and what is wrong as FILE:LINE: TEXT; then it fails.

* HostPool and Exchange stay small, and none of their parts knows its whole.
* Includes among the files of a folder run one way: taking X.h and X.cpp as one, there is no circle.
* Each section that code cites is in core/doc/design.md, and links in documents lead to files.
* Identifiers have none of the private words that core/doc/glossary.md replaced.
* Each header of core/net, core/pool and core/proxy opens with what it is.
"""

import collections
import pathlib
import re
import sys

from cpp_outline import classes_in, line_of, without_comments

LAYERS = ["core/base", "core/http", "core/policy", "core/net", "core/pool", "core/proxy", "config", "daemon"]

HOST_POOL = "core/pool/host_pool.h"
MAX_LINES = 159
MAX_PRIVATE_METHODS = 25
MAX_POOL_MEMBERS = 14
MAX_SETTLE_CALLS = 8

EXCHANGE = "core/proxy/exchange.h"
MAX_EXCHANGE_MEMBERS = 30
MAX_EXCHANGE_BOOLS = 8
MAX_VALUE_MEMBERS = 12

# The files that each whole is put together from, without their endings: they name neither it nor its header.
PARTS = {
    ("HostPool", HOST_POOL): [
        "core/policy/connect_pacing",
        "core/policy/connection_facts",
        "core/policy/server_model",
        "core/pool/connect_attempts",
        "core/pool/connection_set",
        "core/pool/idle_keeper",
        "core/pool/peers",
        "core/pool/shared_peers",
        "core/pool/upstream_target",
        "core/pool/waiter_queue",
        "core/pool/warmer",
    ],
    ("Exchange", EXCHANGE): [
        "core/proxy/access_entry",
        "core/proxy/exchange_values",
        "core/proxy/outgoing_request",
        "core/proxy/relayed_body",
        "core/proxy/response_head_reader",
    ],
}

DESIGN = "core/doc/design.md"
CITING = LAYERS + ["tests", "packaging", "systemd"]
SOURCES = (".h", ".cpp", ".py", ".sh", ".service", ".socket", ".cmake", ".txt")

# Words that mean nothing to who does not know this project, in any sense; and what is said instead.
PRIVATE_WORDS = {
    "letter": "message",
    "letters": "messages",
    "witness": "evidence",
    "vouch": "evidence",
    "vouched": "trusted by prior",
    "crew": "worker group",
    "seat": "per worker",
    "seats": "per worker",
    "commons": "shared pool",
    "disprove": "invalidate",
    "bear": "record evidence",
    "lend": "transfer",
    "lent": "transferred",
    "loan": "transfer",
    "loans": "transfers",
    "borrow": "transfer",
    "borrowed": "transferred",
    "depart": "detach",
    "mend": "recover from",
    "noteworthy": "threshold",
    "lesser": "smaller",
    "moment": "now",
    "let_go": "release",
    "for_nobody": "prewarm",
    "is_news": "would change",
    "kept_warm": "prewarmed",
    "provided_for": "has pending source",
    "covered_by": "pending",
    "quiet_lately": "check_idle_alive_cached",
}

OPENING = ["core/net", "core/pool", "core/proxy"]

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
CITATION = re.compile(r"(?:core/doc/)?\bdesign\.md\b|\bDESIGN\.md\b")
SECTION = re.compile(r"§(\d+(?:\.\d+)*)")
END_OF_CITATION = re.compile(r"RFC|;|\n\s*\n|\*/|\.md\b(?!\s*[\"')]*\s*§)")


def sources(root, folders, endings=(".h", ".cpp")):
    """(path below root, file) of the files in these folders, in order."""
    for folder in folders:
        for file in sorted((root / folder).glob("**/*")):
            if file.is_file() and file.suffix in endings:
                yield file.relative_to(root).as_posix(), file


def find_class(root, path, name):
    """The class of that name; the file must define it."""
    found = [one for one in classes_in(root / path, path) if one.name == name] if (root / path).is_file() else []
    return found[0] if found else None


def too_many(path, line, what, count, limit, faults, figures):
    figures.append(f"{what}: {count} (at most {limit})")
    if count > limit:
        faults.append(f"{path}:{line}: {what}: {count}, more than {limit}")


# ---- HostPool ----


def check_host_pool(root, faults, figures):
    pool = find_class(root, HOST_POOL, "HostPool")
    if pool is None:
        return faults.append(f"{HOST_POOL}:1: defines no class HostPool")
    lines = (root / HOST_POOL).read_text().count("\n")
    too_many(HOST_POOL, 1, "lines of host_pool.h", lines, MAX_LINES, faults, figures)
    private, members = len(pool.private_methods()), len(pool.members)
    too_many(HOST_POOL, pool.line, "private methods of HostPool", private, MAX_PRIVATE_METHODS, faults, figures)
    too_many(HOST_POOL, pool.line, "data members of HostPool", members, MAX_POOL_MEMBERS, faults, figures)
    figures.append(f"friends of HostPool: {len(pool.friends)} (none)")
    faults += [f"{HOST_POOL}:{line}: HostPool has no friends: {text}" for text, line in pool.friends]
    check_settle(root, faults, figures)


def check_settle(root, faults, figures):
    """Each entry point settles once, at its end."""
    calls = []
    for path, file in sources(root, ["core/pool"]):
        code = without_comments(file.read_text())
        for found in re.finditer(r"(?<![\w:])settle\s*\([^()]*\)\s*;", code):
            declared = re.search(r"\bvoid\s+$", code[: found.start()])
            if not declared:
                calls.append((path, line_of(code, found.start())))
    path, line = calls[-1] if calls else (HOST_POOL, 1)
    too_many(path, line, "calls of settle()", len(calls), MAX_SETTLE_CALLS, faults, figures)


# ---- Exchange ----


def values_of(root):
    """The structs of core by their name: those of a name that is there twice are left out, unless they are nested."""
    found = collections.defaultdict(list)
    for path, file in sources(root, ["core"], (".h",)):
        for one in classes_in(file, path):
            if one.kind == "struct":
                found[one.name].append(one)
    return found


def value_type(member, owner, values):
    """The struct that a member holds by value, perhaps as an optional; None: anything else."""
    held = re.sub(r"^std::(optional|array)<(.*?)(,[^<>]*)?>$", r"\2", member.type)
    if re.search(r"[*&<]", held):
        return None
    name = held.split("::")[-1].strip()
    candidates = values.get(name, [])
    nested = [one for one in candidates if one.outer == owner.name]
    if nested or len(candidates) <= 1:
        return (nested or candidates or [None])[0]
    folder = {"pool": "core/pool", "policy": "core/policy", "http": "core/http", "net": "core/net"}
    scope = held.split("::")[-2] if "::" in held else ""
    in_scope = [one for one in candidates if one.path.startswith(folder.get(scope, "core/proxy"))]
    return in_scope[0] if in_scope else None


def bools_in(one, values, seen):
    """The flags of a class and of the values in it; the values that were met are added to `seen`."""
    count = 0
    for member in one.members:
        if re.fullmatch(r"(std::(optional|atomic)<)?bool>?", member.type):
            count += 1
        value = value_type(member, one, values)
        if value is not None:
            seen.append((value, member, one))
            count += bools_in(value, values, seen)
    return count


def check_exchange(root, faults, figures):
    exchange = find_class(root, EXCHANGE, "Exchange")
    if exchange is None:
        return faults.append(f"{EXCHANGE}:1: defines no class Exchange")
    seen = []
    bools = bools_in(exchange, values_of(root), seen)
    line, members = exchange.line, len(exchange.members)
    too_many(EXCHANGE, line, "data members of Exchange", members, MAX_EXCHANGE_MEMBERS, faults, figures)
    too_many(EXCHANGE, line, "bools of Exchange and its values", bools, MAX_EXCHANGE_BOOLS, faults, figures)
    widest = max((len(value.members) for value, _, _ in seen), default=0)
    figures.append(f"members of the widest value in Exchange: {widest} (at most {MAX_VALUE_MEMBERS})")
    for value in {id(value): value for value, _, _ in seen}.values():
        if len(value.members) > MAX_VALUE_MEMBERS:
            where = f"{value.path}:{value.line}: {value.name}, a value of Exchange"
            faults.append(f"{where}, has {len(value.members)} members, more than {MAX_VALUE_MEMBERS}")


# ---- Parts, and includes of a folder ----


def check_parts(root, faults, figures):
    for (whole, header), parts in PARTS.items():
        for part in parts:
            files = [root / (part + ending) for ending in (".h", ".cpp") if (root / (part + ending)).is_file()]
            if not files:
                faults.append(f"{part}.h:1: is a part of {whole} by the list of check_structure.py, and is not there")
            for file in files:
                check_part(file.relative_to(root).as_posix(), file.read_text(), whole, header, faults)
        figures.append(f"parts of {whole}: {len(parts)}")


def check_part(path, text, whole, header, faults):
    code = without_comments(text)
    for found in re.finditer(rf"\b{whole}\b", code):
        faults.append(f"{path}:{line_of(code, found.start())}: a part names its whole, {whole}")
    for found in INCLUDE.finditer(text):
        if found[1] == header:
            faults.append(f"{path}:{line_of(text, found.start(1))}: a part includes its whole, {header}")


def check_circles(root, faults, figures):
    """X.h and X.cpp are one. Of a circle each include that closes it is a fault."""
    includes = collections.defaultdict(dict)  # unit -> the units of its folder that it includes, and where
    for path, file in sources(root, LAYERS):
        unit = path.rsplit(".", 1)[0]
        text = file.read_text()
        for found in INCLUDE.finditer(text):
            other = found[1].rsplit(".", 1)[0]
            if other != unit and other.rsplit("/", 1)[0] == unit.rsplit("/", 1)[0]:
                includes[unit].setdefault(other, f"{path}:{line_of(text, found.start(1))}")
    circles = 0
    for unit in sorted(includes):
        for other, place in includes[unit].items():
            if reaches(includes, other, unit):
                circles += 1
                faults.append(f'{place}: "{other}.h" leads back to {unit} by its own includes')
    figures.append(f"includes that run in a circle inside a folder: {circles} (none)")


def reaches(includes, start, goal):
    todo, met = [start], {start}
    while todo:
        for other in includes.get(todo.pop(), {}):
            if other == goal:
                return True
            if other not in met:
                met.add(other)
                todo.append(other)
    return False


# ---- Citations ----


def sections_of(text):
    """"6" of "## 6. …", "6.3" of an item "3. …" in it or of "### 6.3 …"."""
    found, chapter = set(), ""
    for line in text.splitlines():
        if heading := re.match(r"##+ (\d+(?:\.\d+)*)", line):
            found.add(heading[1])
            chapter = heading[1]
        elif line.startswith("## "):
            chapter = ""
        elif chapter and (item := re.match(r"(\d+)\. ", line)):
            found.add(f"{chapter}.{item[1]}")
    return found


def check_citations(root, faults, figures):
    design = root / DESIGN
    if not design.is_file():
        return faults.append(f"{DESIGN}:1: is not there")
    known, count = sections_of(design.read_text()), 0
    for path, file in sources(root, CITING, SOURCES):
        if file.name.startswith(("check_structure", "cpp_outline")):
            continue
        text = file.read_text(errors="replace")
        for found in CITATION.finditer(text):
            line = line_of(text, found.start())
            if found[0] != DESIGN:
                faults.append(f"{path}:{line}: {found[0]} is not a path of this tree: say {DESIGN}")
                continue
            rest = text[found.end() : found.end() + 160]
            rest = rest[: next((end.start() for end in END_OF_CITATION.finditer(rest)), len(rest))]
            for section in SECTION.finditer(rest.split("\n\n")[0]):
                count += 1
                if section[1] not in known:
                    faults.append(f"{path}:{line}: {DESIGN} has no §{section[1]}")
    figures.append(f"citations of {DESIGN}: {count}")


def check_links(root, faults, figures):
    """Of all documents: a link without a scheme leads to a file, from where it stands."""
    count = 0
    documents = [root / "README.md", *(root / ".github").glob("*.md"), *root.glob("[a-z]*/**/*.md")]
    for file in sorted(file for file in documents if file.is_file() and "build" not in file.relative_to(root).parts):
        text = file.read_text()
        for found in re.finditer(r"\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)", text):
            count += 1
            if not (file.parent / found[1]).exists():
                path = file.relative_to(root).as_posix()
                faults.append(f"{path}:{line_of(text, found.start())}: the link leads nowhere: {found[1]}")
    figures.append(f"links in documents: {count}")


# ---- Words ----


def words_of(identifier):
    """"open_forNobody" as "_open_for_nobody_"."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", identifier)
    return "_" + snake.lower().strip("_") + "_"


def check_words(root, faults, figures):
    count, private = set(), set()
    for path, file in sources(root, LAYERS):
        code = without_comments(file.read_text())
        for found in IDENTIFIER.finditer(code):
            name = found[0]
            count.add(name)
            words = words_of(name)
            bad = next((word for word in PRIVATE_WORDS if f"_{word}_" in words), None)
            if bad and (path, name) not in private:
                private.add((path, name))
                line = line_of(code, found.start())
                faults.append(f'{path}:{line}: "{name}": "{bad}" is a private word; say {PRIVATE_WORDS[bad]}')
        if bad := next((word for word in PRIVATE_WORDS if f"_{word}_" in words_of(file.stem)), None):
            faults.append(f'{path}:1: the file\'s name: "{bad}" is a private word; say {PRIVATE_WORDS[bad]}')
    figures.append(f"identifiers: {len(count)}, with private words: {len({name for _, name in private})} (none)")


# ---- Openings of headers ----


def opens_with_what_it_is(text, stem):
    """A comment stands above the namespace, or above the class that the file is named for, or above the first
    declaration if there is no such class."""
    main = stem.replace("_", "")
    first_has_comment, commented = None, False
    for plain in map(str.strip, text.splitlines()):
        if plain.startswith("//"):
            commented = True
        elif not plain:
            continue
        elif re.match(r"(inline )?namespace\b", plain) and commented:
            return True
        elif not plain.startswith("template"):
            declares = not re.match(r"#|namespace\b|using namespace\b|(class|struct) [\w:]+;", plain)
            if declares and first_has_comment is None:
                first_has_comment = commented
            found = declares and re.match(r"(?:enum )?(?:class|struct) (?:\[\[.*?\]\] )?(\w+)", plain)
            if found and found[1].lower() == main:
                return commented
            commented = False
    return bool(first_has_comment)


def check_openings(root, faults, figures):
    count = 0
    for path, file in sources(root, OPENING, (".h",)):
        count += 1
        if not opens_with_what_it_is(file.read_text(), file.stem):
            what = "a comment above its main class, or its first declaration"
            faults.append(f"{path}:1: a header opens with what it is: {what}")
    figures.append(f"headers of {', '.join(OPENING)}: {count}")


RULES = [
    check_host_pool,
    check_exchange,
    check_parts,
    check_circles,
    check_citations,
    check_links,
    check_words,
    check_openings,
]


def check(root, rules=None):
    """Returns the faults, as FILE:LINE: TEXT, and the figures."""
    faults, figures = [], []
    for rule in rules or RULES:
        rule(root, faults, figures)
    return faults, figures


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    faults, figures = check(pathlib.Path(sys.argv[1]))
    print("\n".join(figures))
    print("\n".join(faults) or "the structure is as it should be")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
