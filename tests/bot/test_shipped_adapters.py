"""The adapter that comes with Lorebot: whole, described, measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.base_model import prepare_base
from adapters.checks import check_adapter
from adapters.registry import SHIPPED, AdapterRegistry
from bot.assembly import Assembly
from bot.settings import load_settings

pytestmark = pytest.mark.slow

MOST_BYTES = 12_000_000


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> AdapterRegistry:
    return AdapterRegistry(tmp_path_factory.mktemp("adapters"), SHIPPED)


def test_a_shipped_adapter_fits_the_default_model(
    registry: AdapterRegistry, example_config: Path, models: Path
) -> None:
    adapter = registry.resolve("grounded")
    company = Assembly(load_settings(example_config), print, models)

    check_adapter(adapter.folder, prepare_base(company.base_location, company.layout.models))

    assert adapter.size <= MOST_BYTES


def test_a_shipped_adapter_says_where_it_comes_from(registry: AdapterRegistry) -> None:
    manifest = registry.resolve("grounded").manifest

    assert manifest.data_licence
    assert manifest.data_attribution


def test_a_shipped_adapter_has_passed_its_evaluation(registry: AdapterRegistry) -> None:
    verdict = registry.verdict(registry.resolve("grounded"))

    assert verdict is not None
    assert verdict.passed
