#!/usr/bin/env python3
"""Tests of at_rest.py: nothing that a process does after what was seen of it may be missed."""

import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.at_rest import wait_at_rest  # noqa: E402
from support.waiting import Deadline, TooLong  # noqa: E402

# Answers at once; what is to be seen afterwards comes from `later`, which computes for a while.
PROGRAM = """
import os, subprocess, sys, threading

def later():
    sum(range(3_000_000))
    os.write(2, b"later")

for line in sys.stdin:
    if line == "thread\\n":
        threading.Thread(target=later).start()
    else:
        subprocess.Popen([sys.executable, "-c", "import os; sum(range(3_000_000)); os.write(2, b'later')"])
    os.write(1, b"done")
"""


class AtRestTest(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0)
        self.errors = self.process.stderr.fileno()

    def tearDown(self):
        self.process.kill()
        self.process.communicate()

    def check(self, how: bytes) -> None:
        self.process.stdin.write(how)
        self.assertEqual(self.process.stdout.read(4), b"done")
        wait_at_rest(self.process.pid, Deadline(60, exact=True))
        self.process.kill()
        self.assertEqual(self.process.stderr.read(), b"later")

    def test_what_a_thread_still_does_is_waited_for(self):
        self.check(b"thread\n")

    def test_and_what_a_child_does(self):
        self.check(b"child\n")

    def test_a_process_that_never_rests_is_no_rest(self):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            with self.assertRaises(TooLong):
                wait_at_rest(busy.pid, Deadline(0.2, exact=True))
        finally:
            busy.kill()
            busy.wait()

    def test_one_that_has_ended_rests(self):
        self.process.kill()
        wait_at_rest(self.process.pid, Deadline(60, exact=True))
        self.process.wait()
        wait_at_rest(self.process.pid, Deadline(60, exact=True))


if __name__ == "__main__":
    unittest.main()
