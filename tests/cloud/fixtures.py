"""The fixture `cloud`: one process per session, as new for each test. Named in `pytest_plugins` by those who use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud.control import CloudProcess
from tests.cloud.core import inside


@pytest.fixture(scope="session")
def cloud_process() -> Iterator[CloudProcess]:
    """The session's cloud, in a process of its own; a failure, not a skip, outside of its namespace."""
    if not inside():
        pytest.fail(
            "needs the loopback cloud's namespace: run the tests by ./dev test, or by tests/cloud/enter", pytrace=False
        )
    with CloudProcess() as process:
        yield process


@pytest.fixture
def cloud(cloud_process: CloudProcess, monkeypatch: pytest.MonkeyPatch) -> CloudProcess:
    """The cloud as new, with SSL_CERT_FILE pointing to its CA for code of this process."""
    cloud_process.reset()
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud_process.ca_file))
    return cloud_process
