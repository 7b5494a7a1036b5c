"""Adds up a JUnit report of ctest or pytest, or the output of one doctest program (NAME.log), for tests/run.sh.

Usage: tally.py REPORT PRESET FAILED SKIPPED

Prints the numbers of tests that passed, failed and were skipped. Appends to the file FAILED the name of each test that failed,
with the command that runs it again, and to SKIPPED a line for each one skipped, with the reason.

A doctest program is one test of ctest's, and counts as its test cases. One that says that all is well, and exits with an error
(a sanitizer does that), counts as one failure more.
"""

import pathlib
import re
import shlex
import sys
import xml.etree.ElementTree as tree
from dataclasses import dataclass, field

CASES = re.compile(r"test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped")
FAILED_CASE = re.compile(r"^TEST CASE:  (.*)$", re.MULTILINE)


@dataclass
class Tally:
    passed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)  # what, and the command that runs it again
    skipped: list[str] = field(default_factory=list)             # why


def add_program(tally: Tally, name: str, preset: str, output: str, bad: bool, counts: re.Match) -> None:
    """A doctest program: `counts` is its last line but one."""
    program = f"build/{preset}/tests/{name}"
    tally.passed += int(counts[1])
    tally.skipped += [f"{name} ({preset}): marked so in the source"] * int(counts[3])
    cases = list(dict.fromkeys(FAILED_CASE.findall(output)))
    cases += ["a test case"] * (int(counts[2]) - len(cases))
    for case in cases[:int(counts[2])]:
        pattern = case.replace(",", "?")  # a comma would begin another pattern
        tally.failed.append((f"{name} ({preset}): {case}", f"{program} --test-case={shlex.quote(pattern)}"))
    if bad and not int(counts[2]):
        tally.failed.append((f"{name} ({preset}) ended with an error", program))


def add_pytest(tally: Tally, case: tree.Element, preset: str, bad: bool) -> None:
    test = f"{case.get('file')}::{case.get('name')}"
    skip = case.find("skipped")
    if bad:
        tally.failed.append((f"{test} ({preset})", f"KEEPWARM_BIN=build/{preset}/keepwarm KEEPWARM_BUILD=build/{preset} "
                                                   f"/usr/bin/python3 -m pytest {shlex.quote(test)}"))
    elif skip is not None:
        tally.skipped.append(skip.get("message") or "no reason is given")
    else:
        tally.passed += 1


def add_up(report: str, preset: str) -> Tally:
    tally = Tally()
    for case in tree.parse(report).iter("testcase"):
        name, output = case.get("name"), case.findtext("system-out") or ""
        bad = case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail"
        if case.get("file"):
            add_pytest(tally, case, preset, bad)
        elif counts := CASES.search(output):
            add_program(tally, name, preset, output, bad, counts)
        elif bad:
            tally.failed.append((f"{name} ({preset})", f"ctest --preset {preset} -R '^{name}$'"))
        else:
            tally.passed += 1
    return tally


def add_up_log(log: str, preset: str) -> Tally:
    """The caller knows the exit status. Output without counts is an error here: the program has not run to its end."""
    tally, output = Tally(), pathlib.Path(log).read_text(errors="replace")
    add_program(tally, pathlib.Path(log).stem, preset, output, False, CASES.search(output))
    return tally


def main() -> None:
    report, preset, failed, skipped = sys.argv[1:]
    tally = add_up_log(report, preset) if report.endswith(".log") else add_up(report, preset)
    with open(failed, "a", encoding="utf-8") as file:
        file.writelines(f"  {what}\n      {command}\n" for what, command in tally.failed)
    with open(skipped, "a", encoding="utf-8") as file:
        file.writelines(f"{reason}\n" for reason in tally.skipped)
    print(tally.passed, len(tally.failed), len(tally.skipped))


if __name__ == "__main__":
    main()
