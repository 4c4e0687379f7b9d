"""The adapters that come with Lorebot: whole, described, measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.base_model import prepare_base
from adapters.checks import check_adapter
from adapters.registry import SHIPPED, AdapterRegistry
from bot.assembly import Assembly
from bot.settings import load_settings

pytestmark = pytest.mark.slow

NAMES = ("grounded", "formal", "warm")
MOST_BYTES = 12_000_000


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> AdapterRegistry:
    return AdapterRegistry(tmp_path_factory.mktemp("adapters"), SHIPPED)


def test_a_skill_and_a_voice_are_shipped(registry: AdapterRegistry) -> None:
    assert set(registry.names()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_adapter_fits_the_default_model(
    registry: AdapterRegistry, example_config: Path, models: Path, name: str
) -> None:
    adapter = registry.resolve(name)
    company = Assembly(load_settings(example_config), print, models)

    check_adapter(adapter.folder, prepare_base(company.base_location, company.layout.models))

    assert adapter.size <= MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_adapter_says_where_it_comes_from(registry: AdapterRegistry, name: str) -> None:
    manifest = registry.resolve(name).manifest

    assert manifest.data_licence
    assert manifest.data_attribution


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_adapter_has_passed_its_evaluation(registry: AdapterRegistry, name: str) -> None:
    verdict = registry.verdict(registry.resolve(name))

    assert verdict is not None
    assert verdict.passed
