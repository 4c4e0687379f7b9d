"""A sync that is killed at any moment leaves whole documents, and the next one puts everything right."""

from __future__ import annotations

from pathlib import Path

import pytest
from killed_syncs import kills


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_after_every_kill_the_next_sync_ends_with_the_whole_truth(tmp_path: Path) -> None:
    assert len(list(kills(tmp_path, count=9, seed=20))) == 9
