"""The fixture `cloud`: one process per session, as new for each test. Named in `pytest_plugins` by those who use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cloud.control import CloudProcess
from tests.cloud.core import inside

if TYPE_CHECKING:
    from collections.abc import Iterator


def start() -> Iterator[CloudProcess]:
    """A cloud in a process of its own; outside of its namespace a failure, not a skip."""
    if not inside():
        how = "run the tests by ./dev test, or pytest by tests/cloud/enter"
        pytest.fail(f"this test needs the namespace of the loopback cloud: {how}", pytrace=False)
    with CloudProcess() as process:
        yield process


@pytest.fixture(scope="session")
def cloud_process() -> Iterator[CloudProcess]:
    """The session's cloud."""
    yield from start()


@pytest.fixture
def cloud(cloud_process: CloudProcess, monkeypatch: pytest.MonkeyPatch) -> CloudProcess:
    """The cloud as new, with SSL_CERT_FILE pointing to its CA for code of this process."""
    cloud_process.reset()
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud_process.ca_file))
    return cloud_process
