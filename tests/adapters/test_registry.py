"""Adapters on disk: naming, versions, and what may not come in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.base_model import PreparedBase
from adapters.checks import check_adapter
from adapters.files import sha256_file
from adapters.manifest import (
    CONFIG_FILE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    AdapterError,
    AdapterManifest,
    read_manifest,
    write_manifest,
)
from adapters.registry import AdapterRegistry

MakeAdapter = Callable[..., Path]

HASH = "0" * 64


def place(root: Path, name: str, version: str, day: int = 1, **fields: Any) -> None:
    """Put a version's manifest where the registry looks."""
    folder = root / name / version
    folder.mkdir(parents=True)
    manifest = AdapterManifest(
        name=fields.get("named", name),
        version=version,
        weights_sha256=HASH,
        config_sha256=HASH,
        base_model="SmolLM2",
        base_sha256=HASH,
        chat_template_sha256=HASH,
        created_at=datetime(2025, 1, day, tzinfo=UTC),
        created_by="test",
    )
    write_manifest(folder, manifest)


def redescribe(folder: Path) -> None:
    """Let the manifest describe the files as they are now."""
    hashes = {
        "weights_sha256": sha256_file(folder / WEIGHTS_FILE),
        "config_sha256": sha256_file(folder / CONFIG_FILE),
    }
    write_manifest(folder, read_manifest(folder).model_copy(update=hashes))


def edit_config(folder: Path, **fields: Any) -> None:
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    redescribe(folder)


def edit_tensors(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS_FILE)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_FILE)
    redescribe(folder)


# Names and versions


def test_a_name_means_its_newest_version(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "b", day=1)
    place(tmp_path, "friendly", "a", day=2)
    assert AdapterRegistry(tmp_path).resolve("friendly").manifest.version == "a"


def test_a_version_can_be_named(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1", day=1)
    place(tmp_path, "friendly", "2", day=2)
    assert AdapterRegistry(tmp_path).resolve("friendly@1").manifest.version == "1"


def test_a_pinned_version_is_what_the_name_means(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1", day=1)
    place(tmp_path, "friendly", "2", day=2)
    AdapterRegistry(tmp_path).pin("friendly", "1")
    assert AdapterRegistry(tmp_path).resolve("friendly").manifest.version == "1"


def test_without_its_pin_a_name_means_the_newest_again(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1", day=1)
    place(tmp_path, "friendly", "2", day=2)
    registry = AdapterRegistry(tmp_path)
    registry.pin("friendly", "1")
    registry.unpin("friendly")
    assert registry.resolve("friendly").manifest.version == "2"


def test_a_version_that_is_not_there_cannot_be_pinned(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1")
    with pytest.raises(AdapterError, match="friendly has no version '3'; it has 1"):
        AdapterRegistry(tmp_path).pin("friendly", "3")


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1")
    with pytest.raises(AdapterError, match="no adapter 'freindly'; did you mean 'friendly'"):
        AdapterRegistry(tmp_path).resolve("freindly")


def test_an_empty_registry_says_that_nothing_is_installed(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="none is installed"):
        AdapterRegistry(tmp_path / "missing").resolve("friendly")


@pytest.mark.parametrize(
    "reference", ["../secret", "friendly/1", "brand.v2", "", ".", "Friendly", "friendly@../1"]
)
def test_a_reference_never_leaves_the_registry(tmp_path: Path, reference: str) -> None:
    place(tmp_path / "registry", "friendly", "1")
    place(tmp_path, "secret", "1")
    with pytest.raises(AdapterError):
        AdapterRegistry(tmp_path / "registry").resolve(reference)


def test_base_is_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="untouched model"):
        AdapterRegistry(tmp_path).resolve("base")


def test_a_folder_that_holds_another_adapter_is_refused(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1", named="formal")
    with pytest.raises(AdapterError, match="holds formal@1"):
        AdapterRegistry(tmp_path).resolve("friendly")


def test_the_list_is_by_name_and_oldest_first(tmp_path: Path) -> None:
    place(tmp_path, "formal", "1", day=9)
    place(tmp_path, "friendly", "b", day=1)
    place(tmp_path, "friendly", "a", day=2)
    found = [adapter.manifest.reference for adapter in AdapterRegistry(tmp_path).list()]
    assert found == ["formal@1", "friendly@b", "friendly@a"]


def test_the_list_leaves_out_what_cannot_be_read(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1")
    (tmp_path / "broken" / "1").mkdir(parents=True)
    assert [adapter.manifest.name for adapter in AdapterRegistry(tmp_path).list()] == ["friendly"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"weights_sha256": "abc"}, "weights_sha256"),
        ({"created_at": "2025-01-01T00:00:00"}, "created_at"),
        ({"mood": "sunny"}, "mood"),
        ({"data_rows": "many"}, "data_rows"),
        ({"name": "brand.v2"}, "name"),
    ],
)
def test_a_manifest_error_names_the_field(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    place(tmp_path, "friendly", "1")
    path = tmp_path / "friendly" / "1" / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(AdapterError, match=rf"manifest\.json: {field}: "):
        AdapterRegistry(tmp_path).resolve("friendly@1")


# Installing


@pytest.mark.slow
def test_an_installed_adapter_is_a_copy(
    tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase
) -> None:
    trained = make_adapter()
    installed = AdapterRegistry(tmp_path).install(trained, "friendly", prepared)
    shutil.rmtree(trained)
    assert check_adapter(installed.folder, prepared).manifest.reference == "friendly@1"


@pytest.mark.slow
def test_an_adapter_is_installed_under_the_name_that_is_asked_for(
    tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase
) -> None:
    registry = AdapterRegistry(tmp_path)
    registry.install(make_adapter("friendly"), "warm", prepared)
    assert registry.resolve("warm").manifest.name == "warm"


@pytest.mark.slow
def test_installing_the_same_files_twice_changes_nothing(
    tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase
) -> None:
    registry, trained = AdapterRegistry(tmp_path), make_adapter()
    first = registry.install(trained, "friendly", prepared)
    assert registry.install(trained, "friendly", prepared) == first


@pytest.mark.slow
def test_a_version_never_changes(tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase) -> None:
    registry = AdapterRegistry(tmp_path)
    first = registry.install(make_adapter(seed=1), "friendly", prepared)
    with pytest.raises(AdapterError, match="friendly@1 is installed with other weights"):
        registry.install(make_adapter(seed=2), "friendly", prepared)
    assert sha256_file(first.folder / WEIGHTS_FILE) == first.manifest.weights_sha256


@pytest.mark.slow
def test_a_refused_adapter_leaves_nothing_behind(
    tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase
) -> None:
    trained = make_adapter(base_sha256=HASH)
    with pytest.raises(AdapterError):
        AdapterRegistry(tmp_path).install(trained, "friendly", prepared)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base", "brand.v2", "Friendly", "../friendly", ""])
def test_a_name_that_cannot_be_used_is_refused(
    tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase, name: str
) -> None:
    with pytest.raises(AdapterError, match="cannot name an adapter"):
        AdapterRegistry(tmp_path).install(make_adapter(), name, prepared)


@pytest.mark.slow
def test_scaling_is_part_of_what_an_adapter_is(make_adapter: MakeAdapter) -> None:
    quiet, loud = make_adapter(lora={"lora_alpha": 2}), make_adapter(lora={"lora_alpha": 64})
    assert read_manifest(quiet).weights_sha256 == read_manifest(loud).weights_sha256
    assert read_manifest(quiet).hash != read_manifest(loud).hash


# What is refused


@pytest.mark.slow
def test_a_sound_adapter_passes(make_adapter: MakeAdapter, prepared: PreparedBase) -> None:
    assert check_adapter(make_adapter(), prepared).settings.r == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adapter_model.bin", "optimizer.pt", "sub/state.pkl", "modeling.py"])
def test_a_file_that_can_run_code_is_refused(
    make_adapter: MakeAdapter, prepared: PreparedBase, name: str
) -> None:
    folder = make_adapter()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    with pytest.raises(AdapterError, match="could run code"):
        check_adapter(folder, prepared)


@pytest.mark.slow
def test_weights_that_are_not_safetensors_are_refused(
    make_adapter: MakeAdapter, prepared: PreparedBase
) -> None:
    folder = make_adapter()
    (folder / WEIGHTS_FILE).write_bytes(b"\x80\x04pickle")
    redescribe(folder)
    with pytest.raises(AdapterError, match="cannot be read"):
        check_adapter(folder, prepared)


@pytest.mark.slow
@pytest.mark.parametrize(
    "option",
    [
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
        {"auto_mapping": {"base_model_class": "os"}},
        {"bias": "all"},
        {"lora_bias": True},
        {"rank_pattern": {"q_proj": 4}},
        {"alpha_pattern": {"q_proj": 400}},
        {"layers_to_transform": [0]},
        {"init_lora_weights": "pissa"},
        {"peft_type": "IA3"},
        {"target_modules": ".*"},
        {"task_type": "SEQ_CLS"},
        {"lora_alpha": float("nan")},
    ],
)
def test_anything_but_plain_lora_is_refused(
    make_adapter: MakeAdapter, prepared: PreparedBase, option: dict[str, Any]
) -> None:
    folder = make_adapter()
    edit_config(folder, **option)
    with pytest.raises(AdapterError, match=next(iter(option))):
        check_adapter(folder, prepared)


@pytest.mark.slow
def test_an_adapter_of_another_base_is_refused(make_adapter: MakeAdapter, prepared: PreparedBase) -> None:
    folder = make_adapter(base_sha256=HASH, base_model="Qwen")
    with pytest.raises(AdapterError, match="trained on Qwen, whose weights are not those of SmolLM2"):
        check_adapter(folder, prepared)


@pytest.mark.slow
def test_an_adapter_of_another_chat_template_is_refused(
    make_adapter: MakeAdapter, prepared: PreparedBase
) -> None:
    with pytest.raises(AdapterError, match="another chat template"):
        check_adapter(make_adapter(chat_template_sha256=HASH), prepared)


@pytest.mark.slow
@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_file_that_was_changed_is_refused(
    make_adapter: MakeAdapter, prepared: PreparedBase, name: str
) -> None:
    folder = make_adapter()
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(AdapterError, match="is not the file its manifest describes"):
        check_adapter(folder, prepared)


def _drop_last_layer(tensors: dict[str, Any]) -> None:
    for name in [name for name in tensors if ".layers.29." in name]:
        del tensors[name]


def _add_a_layer(tensors: dict[str, Any]) -> None:
    for name in [name for name in tensors if ".layers.29." in name]:
        tensors[name.replace(".layers.29.", ".layers.30.")] = tensors[name].clone()


def _widen(tensors: dict[str, Any]) -> None:
    name = next(name for name in tensors if "lora_A" in name)
    tensors[name] = tensors[name].repeat(1, 2)


def _raise_one_rank(tensors: dict[str, Any]) -> None:
    name = next(name for name in tensors if "lora_A" in name)
    tensors[name] = tensors[name].repeat(2, 1)


def _break_one_value(tensors: dict[str, Any]) -> None:
    next(iter(tensors.values())).view(-1)[0] = float("nan")


def _turn_to_integers(tensors: dict[str, Any]) -> None:
    name = next(iter(tensors))
    tensors[name] = tensors[name].int()


def _clear_b(tensors: dict[str, Any]) -> None:
    for name in tensors:
        if "lora_B" in name:
            tensors[name].zero_()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_drop_last_layer, "lacks 4 tensors"),
        (_add_a_layer, "holds 4 unknown tensors"),
        (_widen, "must be"),
        (_raise_one_rank, "must be"),
        (_break_one_value, "not finite"),
        (_turn_to_integers, "must be a float type"),
        (_clear_b, "changes nothing"),
    ],
)
def test_tensors_that_do_not_fit_the_base_are_refused(
    make_adapter: MakeAdapter,
    prepared: PreparedBase,
    change: Callable[[dict[str, Any]], None],
    reason: str,
) -> None:
    folder = make_adapter()
    edit_tensors(folder, change)
    with pytest.raises(AdapterError, match=reason):
        check_adapter(folder, prepared)


@pytest.mark.slow
def test_a_layer_that_the_base_lacks_is_refused(make_adapter: MakeAdapter, prepared: PreparedBase) -> None:
    folder = make_adapter()
    edit_config(folder, target_modules=["q_proj", "v_proj", "c_attn"])
    with pytest.raises(AdapterError, match="has no layer c_attn"):
        check_adapter(folder, prepared)
