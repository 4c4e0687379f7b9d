"""Lets the tests of this folder share `index_standins` and a local web server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from web_standins import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server without pages."""
    with serving() as found:
        yield found
