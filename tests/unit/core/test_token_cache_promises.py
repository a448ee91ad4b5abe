"""What the kubelet is told never exceeds what is left."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from credprovider.errors import ProviderError
from credprovider.secret import Secret
from credprovider.token_cache import JITTER, Grant
from tests.unit.core.caching import Node, failure
from tests.unit.core.making import EXAMPLES


class TestPromises:
    @EXAMPLES
    @given(
        life=st.floats(-100, 50_000),
        jitter=st.floats(0, 1, exclude_max=True),
        waits=st.lists(st.floats(0, 5000), max_size=6),
        skew=st.floats(-1e6, 1e6),
        fails=st.booleans(),
    )
    def test_never_exceed_what_is_left(
        self,
        tmp_path: Path,
        life: float,
        jitter: float,
        waits: list[float],
        skew: float,
        fails: bool,
    ) -> None:
        """Whatever life is granted, whatever the wall clock says, however long the process waited."""
        node = Node(Path(tempfile.mkdtemp(dir=tmp_path)), chance=jitter)
        node.life = life
        for number, wait in enumerate([0.0, *waits]):
            node.clock.now += wait
            node.clock.offset += skew
            node.fails = failure() if fails and number % 2 else None
            try:
                answered = node.ask()
            except ProviderError:
                continue
            left = answered.grant.left(node.clock.now)
            assert 0 <= answered.cache_seconds <= max(0.0, left - 300)
            assert answered.how == "exchange" or left > 60

    @EXAMPLES
    @given(st.floats(0, 43_200), st.floats(0, JITTER), st.floats(0, 43_200))
    def test_of_a_grant(self, life: float, jitter: float, now: float) -> None:
        grant = Grant(Secret("x"), life, jitter=jitter)
        assert 0 <= grant.cache_seconds(now) <= max(0.0, grant.left(now))
        assert grant.cache_seconds(now) >= int(max(0.0, (life - now - 300) * 0.89))

    def test_differ_between_nodes(self, tmp_path: Path) -> None:
        promises = set()
        for number in range(5):
            node = Node(tmp_path / str(number), chance=number / 5)
            node.folder.mkdir()
            promises.add(node.ask().cache_seconds)
        assert promises == {int(3300 * (1.0 - JITTER * (number / 5))) for number in range(5)}
