"""Just enough of C++ to count: which classes a header defines, and what each class declares. It looks up no names."""

import dataclasses
import functools
import pathlib
import re

_LITERAL_OR_COMMENT = re.compile(
    r'R"\((?:.|\n)*?\)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*(?:.|\n)*?\*/'
)
_CLASS = re.compile(r"\b(class|struct)\s+(?:\[\[[^\]]*\]\]\s*)?([A-Za-z_]\w*)\s*(?:final\s*)?(?::[^;{(]*)?\{")
_ACCESS = re.compile(r"\s*(public|private|protected)\s*:(?!:)")
_NO_MEMBER = re.compile(
    r"\s*(using|typedef|static_assert|enum|template\s*<[^;{]*>\s*(class|struct|using)|(class|struct|union)\s+\w+\s*$)\b"
)


@dataclasses.dataclass(frozen=True)
class Member:
    """A data member: `type` is its text as declared, without qualifiers."""

    name: str
    type: str
    line: int


@dataclasses.dataclass
class Class:
    """What a class declares itself; what its nested classes declare is theirs."""

    name: str
    kind: str  # "class" or "struct"
    path: str
    line: int
    outer: str = ""  # the class that it is nested in
    members: list = dataclasses.field(default_factory=list)
    methods: list = dataclasses.field(default_factory=list)  # (name, line, access); each overload by itself
    friends: list = dataclasses.field(default_factory=list)  # (text, line)

    def private_methods(self):
        return [method for method in self.methods if method[2] == "private"]


def without_comments(text):
    """The code alone: comments and the insides of literals become blanks, so that offsets and lines stay."""

    def blank(found):
        return re.sub(r"[^\n]", " ", found[0])

    return _LITERAL_OR_COMMENT.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def closing(text, opening):
    """Where the bracket at `opening` is closed; the end of the text if nowhere."""
    pairs = {"{": "}", "(": ")", "[": "]", "<": ">"}
    opens, closes = text[opening], pairs[text[opening]]
    depth = 0
    for offset in range(opening, len(text)):
        if text[offset] == opens:
            depth += 1
        elif text[offset] == closes and not (opens == "<" and text[offset - 1] == "-"):
            depth -= 1
            if depth == 0:
                return offset
    return len(text) - 1


def _without_brackets(text, opening):
    """`text` with each balanced pair that begins with `opening` taken out."""
    out, offset = [], 0
    while offset < len(text):
        if text[offset] == opening:
            offset = closing(text, offset) + 1
        else:
            out.append(text[offset])
            offset += 1
    return "".join(out)


def _statements(body):
    """(text, offset) of each declaration at the top level of a class; an access label is a statement of its own."""
    start = offset = 0
    while offset < len(body):
        label = _ACCESS.match(body, start) if not body[start:offset].strip() else None
        if label and label.end() > offset:
            yield label[0], start
            start = offset = label.end()
        elif body[offset] == "(":
            offset = closing(body, offset) + 1
        elif body[offset] == "{":
            end = closing(body, offset) + 1
            head = body[start:offset]
            is_type = re.match(r"\s*(?:template\s*<[^{]*>\s*)?(class|struct|union|enum)\b", head)
            is_function = "(" in _without_brackets(head, "<").split("=")[0] or "operator" in head
            offset = end
            if is_function and not is_type and not re.match(r"\s*[,{;]", body[end:]):
                yield body[start:end], start
                start = end
        elif body[offset] == ";":
            yield body[start:offset], start
            start = offset = offset + 1
        else:
            offset += 1


def _declare(into, text, line, access):
    plain = re.sub(r"\[\[[^\]]*\]\]", "", text)
    if _NO_MEMBER.match(plain) or re.match(r"\s*(class|struct|union)\b[^(=]*\{", plain) or not plain.strip():
        return
    if re.match(r"\s*friend\b", plain):
        into.friends.append((" ".join(plain.split()), line))
        return
    plain = re.sub(r"^\s*template\s*<[^;{(]*?>\s*(?=[\w\[:~])", "", plain, count=1)
    flat = _without_brackets(plain.replace("operator<", "operator"), "<") if "<" in plain else plain
    head = re.split(r"[={]", flat, maxsplit=1)[0] if "operator" not in flat else flat
    if "(" in head or "operator" in flat:
        name = re.search(r"(operator[^(]*|~?\w+)\s*\(", flat)
        into.methods.append((name[1].strip() if name else "?", line, access))
        return
    if re.match(r"\s*(static|constexpr|inline)\b", plain):
        return
    first, *more = _declarators(plain)
    found = re.match(r"\s*(?:mutable\s+|const\s+)*(.*?)\b(\w+)\s*(?:\[[^\]]*\])?\s*(?::\s*\d+)?\s*$", first, re.DOTALL)
    if not found or not found[1].strip():
        return
    kind = " ".join(found[1].split())
    names = [found[2]] + [re.sub(r"[\[:].*", "", each, flags=re.DOTALL).strip(" *&\n") for each in more]
    into.members += [Member(name, kind, line) for name in names]


def _declarators(text):
    """"int a" and "b" of "int a = f(1, 2), b{3}": without initializers."""
    parts, part, offset = [], [], 0
    skipping = False
    while offset < len(text):
        char = text[offset]
        if char in "({[<" and (char != "<" or not skipping):
            end = closing(text, offset) + 1
            if not skipping and char in "<[":
                part.append(text[offset:end])
            offset = end
            continue
        if char == ",":
            parts.append("".join(part))
            part, skipping = [], False
        elif char == "=":
            skipping = True
        elif not skipping:
            part.append(char)
        offset += 1
    return parts + ["".join(part)]


def outline_of(text, path="", outer="", base=0, full=None):
    """All classes that the text defines, nested ones too."""
    if full is None:
        full = text = without_comments(text)
    classes, offset = [], 0
    while found := _CLASS.search(text, offset):
        opening = found.end() - 1
        end = closing(text, opening)
        if re.search(r"(enum|friend)\s+$", text[: found.start()]):
            offset = found.end()
            continue
        one = Class(found[2], found[1], path, line_of(full, base + found.start()), outer)
        access = "private" if found[1] == "class" else "public"
        body = text[opening + 1 : end]
        for statement, at in _statements(body):
            label = _ACCESS.match(statement)
            if label and not statement[label.end() :].strip():
                access = label[1]
                continue
            lead = len(statement) - len(statement.lstrip())
            _declare(one, statement, line_of(full, base + opening + 1 + at + lead), access)
        classes.append(one)
        classes += outline_of(body, path, found[2], base + opening + 1, full)
        offset = end + 1
    return classes


@functools.cache
def classes_in(file: pathlib.Path, path=""):
    return outline_of(file.read_text(), path)
