"""`doctor` against the loopback cloud and against node trees: each state of the world, and what is said of it."""

import pytest

# Asserts in what tests lean on should explain themselves too.
pytest.register_assert_rewrite("tests.doctor.patient")
