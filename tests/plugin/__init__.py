"""The plugin against the loopback cloud: the same question asked of the package in this process and of the bundle."""

import pytest

# Asserts in what tests lean on should explain themselves too.
pytest.register_assert_rewrite("tests.plugin.expect", "tests.plugin.runner")
