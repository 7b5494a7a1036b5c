#!/usr/bin/env python3
"""Tests of tally.py: no failure may be lost on the way from a report to the last line of tests/run.sh."""

import pathlib
import tempfile
import unittest

import tally

DOCTEST = """[doctest] doctest version is "2.4.9"
===============================================================================
unit/a_test.cpp:12:
TEST CASE:  a name, and its address

unit/a_test.cpp:14: ERROR: CHECK( a == b ) is NOT correct!
[doctest] test cases:  7 |  5 passed | 1 failed | 1 skipped
[doctest] assertions: 40 | 39 passed | 1 failed |
"""


class TallyTest(unittest.TestCase):
    def add_up(self, cases: str) -> tally.Tally:
        with tempfile.TemporaryDirectory() as folder:
            report = pathlib.Path(folder) / "report.xml"
            report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
            return tally.add_up(str(report), "asan")

    def test_a_program_counts_as_its_test_cases(self):
        seen = self.add_up(f'<testcase name="unit_net" status="fail"><failure/><system-out>{DOCTEST}</system-out></testcase>')
        self.assertEqual(seen.passed, 5)
        self.assertEqual(seen.failed, [("unit_net (asan): a name, and its address",
                                        "build/asan/tests/unit_net --test-case='a name? and its address'")])
        self.assertEqual(len(seen.skipped), 1)

    def test_a_program_that_fails_behind_its_last_test_is_a_failure(self):
        well = DOCTEST.replace("5 passed | 1 failed", "6 passed | 0 failed")
        seen = self.add_up(f'<testcase name="unit_net" status="fail"><failure/><system-out>{well}</system-out></testcase>')
        self.assertEqual((seen.passed, len(seen.failed)), (6, 1))

    def test_a_program_that_crashed_is_a_failure(self):
        seen = self.add_up('<testcase name="unit_net" status="fail"><failure/><system-out>crash</system-out></testcase>')
        self.assertEqual((seen.passed, len(seen.failed)), (0, 1))

    def test_a_test_of_pytest_is_named_with_the_command_that_runs_it_again(self):
        seen = self.add_up('<testcase file="tests/daemon/a.py" name="test_a[x y]"><error message="e"/></testcase>'
                           '<testcase file="tests/daemon/a.py" name="test_b"/>'
                           '<testcase file="tests/daemon/a.py" name="test_c"><skipped message="no right"/></testcase>')
        self.assertEqual((seen.passed, seen.skipped), (1, ["no right"]))
        what, command = seen.failed[0]
        self.assertEqual(what, "tests/daemon/a.py::test_a[x y] (asan)")
        self.assertTrue(command.endswith("-m pytest 'tests/daemon/a.py::test_a[x y]'"), command)


if __name__ == "__main__":
    unittest.main()
