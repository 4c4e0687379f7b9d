"""Lets the tests of this folder share `index_standins` and a local web server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from postgres import BOTH, new_schema
from web_standins import Site, serving

from knowledge.catalog_database import Place


@pytest.fixture(params=BOTH)
def catalog_at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a new catalog is to be made: a file, and a schema in Postgres."""
    if request.param == "sqlite":
        yield tmp_path / "catalog.sqlite"
        return
    with new_schema() as place:
        yield place


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server without pages."""
    with serving() as found:
        yield found
