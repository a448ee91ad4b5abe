"""How an Event words a refusal."""

from __future__ import annotations

import pytest

from credprovider.errors import ProviderError
from credprovider.node.teller import _told_why


@pytest.mark.parametrize("cause", ["The identity is not assigned.", "The identity is not assigned"])
def test_a_refusal_is_told_in_sentences_that_end_once(cause: str) -> None:
    told = _told_why(ProviderError("imds-x", "azure", "imds", cause, "assign it"))
    assert told == "The identity is not assigned. Fix: assign it"
