"""The tables of core/doc/design.md §6.2 and §6.5 once more, over TLS: every test that is written for plain connections."""

import tomllib

import pytest
from helpers_tls import together
from support.tls import trusting
from support.tls_server import ServerTls
from test_pool_idle_events import *  # noqa: F403
from test_retry_408 import *  # noqa: F403
from test_retry_stale import *  # noqa: F403


@pytest.fixture
def keepwarm(keepwarm):
    def start(config="", *arguments, **options):
        given = tomllib.loads(config) if isinstance(config, str) else config
        return keepwarm(together(trusting(), given), *arguments, **options)

    return start


@pytest.fixture
def origin(origin):
    return lambda *arguments, **options: origin(*arguments, tls=ServerTls(), **options)
