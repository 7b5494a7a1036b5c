"""Tests of the built daemon, seen from outside: see tests/support/__init__.py for how they are written."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
pytest.register_assert_rewrite("support")

from support.fixtures import *  # noqa: E402,F401,F403
