#!/usr/bin/env python3
"""Tests of stalls.py: a failure is not lost, and only a machine that stands still has a test played again."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

PYTHON = "/usr/bin/python3"  # the one that has Debian's python3-pytest
TESTS = pathlib.Path(__file__).resolve().parents[1]
PLAYED = """
import itertools, sys
sys.path.insert(0, {tests!r})
from support import stalls
from support.stalls import real_time

stalls.stolen = lambda: 0.0
stalls.waited = lambda pid, clock=itertools.count(): next(clock) * {wait}
rounds = []

@pytest.fixture
def round_number():
    rounds.append(None)
    return len(rounds)

{mark}
def test_it(round_number):
    assert round_number > {failures}, "round %d" % round_number
"""
CONFTEST = "import sys; sys.path.insert(0, {tests!r}); from support.stalls import *; from support.stalls import register as pytest_configure"


class StallsTest(unittest.TestCase):
    def play(self, wait: float, failures: int, mark: str = "@real_time") -> str:
        """What pytest prints of a test that fails so often, each time behind a wait for a processor."""
        with tempfile.TemporaryDirectory() as folder:
            text = "import pytest\n" + PLAYED.format(tests=str(TESTS), wait=wait, failures=failures, mark=mark)
            (pathlib.Path(folder) / "test_it.py").write_text(text)
            (pathlib.Path(folder) / "conftest.py").write_text(CONFTEST.format(tests=str(TESTS)))
            command = [PYTHON, "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", folder]
            environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
            return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment).stdout

    def rounds(self, printed: str) -> int:
        return int(re.search(r"AssertionError: round (\d+)", printed)[1])

    def test_a_failure_without_a_wait_counts_at_once(self):
        printed = self.play(wait=0, failures=1)
        self.assertIn("1 failed", printed)
        self.assertEqual(self.rounds(printed), 1)

    def test_one_behind_a_wait_is_played_again(self):
        printed = self.play(wait=1, failures=3)
        self.assertIn("1 passed", printed)
        self.assertIn("PLAYED AGAIN 3 time(s): test_it.py::test_it", printed)

    def test_but_not_for_ever(self):
        printed = self.play(wait=1, failures=100)
        self.assertIn("1 failed", printed)
        self.assertEqual(self.rounds(printed), 20)

    def test_other_tests_are_played_once(self):
        printed = self.play(wait=1, failures=3, mark="")
        self.assertIn("1 failed", printed)
        self.assertEqual(self.rounds(printed), 1)


if __name__ == "__main__":
    unittest.main()
