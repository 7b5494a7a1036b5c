"""The two tiers of tests. What runs always is a small instance of every check, which can fail as the large one can;
`tests/run.sh long` sets KEEPWARM_TEST_LONG, and then each has its full numbers and the real pauses of servers. C++ has the
same in tier.h."""

import os
from typing import TypeVar

import pytest

Amount = TypeVar("Amount")


def long_run() -> bool:
    return bool(os.environ.get("KEEPWARM_TEST_LONG"))


def amount(small: Amount, full: Amount) -> Amount:
    """How many, or how long: `full` only in a long run."""
    return full if long_run() else small


def no_privilege(reason: str) -> None:
    """Ends a test that this user or this machine has no right to run: skipped, but in a long run a failure."""
    if long_run():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
