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
from adapters.registry import AdapterRegistry, InstalledAdapter
from adapters.verdict import EVALUATION_FILE, Verdict, write_verdict

MakeAdapter = Callable[..., Path]

HASH = "0" * 64


def place(root: Path, name: str, version: str, day: int = 1, **fields: Any) -> Path:
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
        parent=fields.get("parent"),
    )
    write_manifest(folder, manifest)
    return folder


def place_files(root: Path, name: str, version: str) -> Path:
    """Put a version with files that are what its manifest says, and no weights."""
    folder = place(root, name, version)
    (folder / WEIGHTS_FILE).write_bytes(b"weights of " + name.encode())
    (folder / CONFIG_FILE).write_text("{}")
    redescribe(folder)
    return folder


def measured(adapter: InstalledAdapter, passed: bool = True) -> Verdict:
    """The verdict of an evaluation."""
    return Verdict(
        adapter_hash=adapter.manifest.hash,
        passed=passed,
        reasons=() if passed else ("style 0.40 is under 0.95",),
        figures={"style": {"accuracy": 0.4}},
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


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


def test_the_versions_of_a_name_are_oldest_first(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "b", day=1)
    place(tmp_path, "friendly", "a", day=2)
    versions = AdapterRegistry(tmp_path).versions("friendly")
    assert [adapter.manifest.version for adapter in versions] == ["b", "a"]


def test_a_broken_version_does_not_hide_the_others_of_its_name(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1", day=1)
    place(tmp_path, "friendly", "2", day=2)
    (tmp_path / "friendly" / "2" / MANIFEST_FILE).write_text("{")
    assert AdapterRegistry(tmp_path).resolve("friendly").manifest.version == "1"


def test_a_version_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1")
    with pytest.raises(AdapterError, match="friendly has no version '3'; it has 1"):
        AdapterRegistry(tmp_path).resolve("friendly@3")


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


def test_an_endless_manifest_is_not_read(tmp_path: Path) -> None:
    folder = place(tmp_path, "friendly", "1")
    with (folder / MANIFEST_FILE).open("ab") as file:
        file.truncate(2_000_000)
    with pytest.raises(AdapterError, match="larger than 1,000,000 bytes"):
        AdapterRegistry(tmp_path).resolve("friendly@1")


def test_what_training_measured_may_be_nested(tmp_path: Path) -> None:
    folder = place(tmp_path, "friendly", "1")
    metrics = {"loss": {"first": 2.5, "last": 0.75}, "epochs": 2}
    write_manifest(folder, read_manifest(folder).model_copy(update={"metrics": metrics}))
    assert AdapterRegistry(tmp_path).resolve("friendly").manifest.metrics == metrics


# Adapters that come with the product


def test_shipped_adapters_stand_beside_those_of_the_home(tmp_path: Path) -> None:
    place(tmp_path / "shipped", "grounded", "1")
    place(tmp_path / "home", "brand", "1")
    registry = AdapterRegistry(tmp_path / "home", tmp_path / "shipped")
    assert [(one.manifest.name, registry.is_shipped(one)) for one in registry.list()] == [
        ("brand", False),
        ("grounded", True),
    ]


def test_nothing_need_be_shipped(tmp_path: Path) -> None:
    place(tmp_path / "home", "brand", "1")
    registry = AdapterRegistry(tmp_path / "home", tmp_path / "shipped")
    assert [one.manifest.name for one in registry.list()] == ["brand"]


def test_a_newer_version_of_a_shipped_adapter_is_what_its_name_means(tmp_path: Path) -> None:
    place(tmp_path / "shipped", "grounded", "1", day=1)
    place(tmp_path / "home", "grounded", "2", day=2)
    registry = AdapterRegistry(tmp_path / "home", tmp_path / "shipped")
    assert registry.resolve("grounded").manifest.reference == "grounded@2"
    assert registry.resolve("grounded@1").folder == tmp_path / "shipped" / "grounded" / "1"


@pytest.mark.slow
def test_an_adapter_does_not_take_the_version_of_a_shipped_one(
    tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase
) -> None:
    AdapterRegistry(tmp_path / "shipped").install(make_adapter(seed=1), "friendly", prepared)
    registry = AdapterRegistry(tmp_path / "home", tmp_path / "shipped")
    with pytest.raises(AdapterError, match="friendly@1 is installed with other weights"):
        registry.install(make_adapter(seed=2), "friendly", prepared)


def test_a_shipped_adapter_is_not_removed(tmp_path: Path) -> None:
    folder = place(tmp_path / "shipped", "grounded", "1")
    registry = AdapterRegistry(tmp_path / "home", tmp_path / "shipped")
    with pytest.raises(AdapterError, match="comes with Lorebot"):
        registry.remove(registry.resolve("grounded"))
    assert folder.is_dir()


# Verdicts


def test_an_adapter_without_an_evaluation_has_no_verdict(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1")
    registry = AdapterRegistry(tmp_path)
    assert registry.verdict(registry.resolve("friendly")) is None


def test_a_later_evaluation_replaces_the_verdict_and_leaves_the_adapter_alone(tmp_path: Path) -> None:
    folder = place(tmp_path, "friendly", "1")
    registry, manifest = AdapterRegistry(tmp_path), (folder / MANIFEST_FILE).read_bytes()
    adapter = registry.resolve("friendly")
    write_verdict(registry.evaluation_folder(adapter), measured(adapter, passed=False))
    write_verdict(registry.evaluation_folder(adapter), measured(adapter, passed=True))
    assert registry.verdict(adapter) == measured(adapter, passed=True)
    assert (folder / MANIFEST_FILE).read_bytes() == manifest


def test_a_verdict_says_nothing_about_other_weights(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1")
    registry = AdapterRegistry(tmp_path)
    adapter = registry.resolve("friendly")
    other = measured(adapter).model_copy(update={"adapter_hash": "1" * 64})
    write_verdict(registry.evaluation_folder(adapter), other)
    assert registry.verdict(adapter) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"passed": true}'])
def test_an_evaluation_that_cannot_be_read_counts_as_none(tmp_path: Path, text: str) -> None:
    folder = place(tmp_path, "friendly", "1")
    (folder / EVALUATION_FILE).write_text(text)
    registry = AdapterRegistry(tmp_path)
    assert registry.verdict(registry.resolve("friendly")) is None


def test_a_shipped_adapter_comes_with_its_verdict(tmp_path: Path) -> None:
    folder = place(tmp_path / "shipped", "grounded", "1")
    registry = AdapterRegistry(tmp_path / "home", tmp_path / "shipped")
    adapter = registry.resolve("grounded")
    write_verdict(folder, measured(adapter))
    assert registry.verdict(adapter) == measured(adapter)


def test_an_evaluation_of_a_shipped_adapter_is_kept_in_the_home_and_goes_first(tmp_path: Path) -> None:
    folder = place(tmp_path / "shipped", "grounded", "1")
    registry = AdapterRegistry(tmp_path / "home", tmp_path / "shipped")
    adapter = registry.resolve("grounded")
    write_verdict(folder, measured(adapter, passed=True))
    write_verdict(registry.evaluation_folder(adapter), measured(adapter, passed=False))
    assert registry.verdict(adapter) == measured(adapter, passed=False)
    assert [file.name for file in folder.iterdir()].count(EVALUATION_FILE) == 1
    assert [one.manifest.reference for one in registry.list()] == ["grounded@1"]


@pytest.mark.slow
def test_a_verdict_from_elsewhere_is_not_installed(
    tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase
) -> None:
    trained = make_adapter()
    write_verdict(trained, measured(InstalledAdapter(trained, read_manifest(trained))))
    registry = AdapterRegistry(tmp_path)
    assert registry.verdict(registry.install(trained, "friendly", prepared)) is None


# Removing and exporting


def test_a_removed_version_is_gone_with_all_that_was_measured(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1")
    place(tmp_path, "friendly", "2", day=2)
    registry = AdapterRegistry(tmp_path)
    adapter = registry.resolve("friendly@2")
    write_verdict(registry.evaluation_folder(adapter), measured(adapter))
    registry.remove(adapter)
    assert [path.name for path in (tmp_path / "friendly").iterdir()] == ["1"]


def test_the_skill_of_a_voice_is_the_oldest_of_its_lineage_that_is_installed(tmp_path: Path) -> None:
    place(tmp_path, "grounded", "1")
    place(tmp_path, "warm", "1", parent="grounded@1")
    place(tmp_path, "warmer", "1", parent="warm@1")
    place(tmp_path, "orphan", "1", parent="gone@1")
    registry = AdapterRegistry(tmp_path)

    skills = {name: registry.skill_of(registry.resolve(name)) for name in registry.names()}

    assert skills == {"grounded": "", "warm": "grounded@1", "warmer": "grounded@1", "orphan": ""}


def test_the_parent_of_another_adapter_is_not_removed(tmp_path: Path) -> None:
    place(tmp_path, "friendly", "1")
    place(tmp_path, "warm", "1", parent="friendly@1")
    registry = AdapterRegistry(tmp_path)
    with pytest.raises(AdapterError, match=r"friendly@1 is the parent of warm@1; remove that first"):
        registry.remove(registry.resolve("friendly"))
    assert registry.resolve("friendly").folder.is_dir()


def test_an_export_holds_the_adapter_and_its_voice_card(tmp_path: Path) -> None:
    folder = place_files(tmp_path / "home", "friendly", "1")
    registry = AdapterRegistry(tmp_path / "home")
    registry.export(registry.resolve("friendly"), tmp_path / "out" / "friendly")
    exported = {file.name: file.read_bytes() for file in (tmp_path / "out" / "friendly").iterdir()}
    assert exported == {
        name: (folder / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE, MANIFEST_FILE)
    }


@pytest.mark.slow
def test_an_export_is_read_by_peft(tmp_path: Path, make_adapter: MakeAdapter, prepared: PreparedBase) -> None:
    from peft import PeftConfig
    from safetensors.numpy import load_file

    registry = AdapterRegistry(tmp_path / "home")
    registry.export(registry.install(make_adapter(), "friendly", prepared), tmp_path / "out")
    assert PeftConfig.from_pretrained(str(tmp_path / "out")).r == 2
    assert len(load_file(tmp_path / "out" / WEIGHTS_FILE)) == 120


def test_an_export_overwrites_nothing(tmp_path: Path) -> None:
    place_files(tmp_path / "home", "friendly", "1")
    registry = AdapterRegistry(tmp_path / "home")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(AdapterError, match="name a new or empty folder"):
        registry.export(registry.resolve("friendly"), tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_damaged_adapter_is_not_exported(tmp_path: Path) -> None:
    folder = place_files(tmp_path / "home", "friendly", "1")
    (folder / WEIGHTS_FILE).write_bytes(b"cut sh")
    registry = AdapterRegistry(tmp_path / "home")
    with pytest.raises(AdapterError, match="is not the file its manifest describes"):
        registry.export(registry.resolve("friendly"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


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
@pytest.mark.parametrize("name", ["base", "auto", "default", "brand.v2", "Friendly", "../friendly", ""])
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
