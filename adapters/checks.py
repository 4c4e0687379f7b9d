"""What an adapter must be before it may speak: plain LoRA for exactly this base, in safetensors alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.base_model import PreparedBase
from adapters.faults import first_fault
from adapters.files import sha256_file
from adapters.manifest import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    AdapterError,
    AdapterManifest,
    read_manifest,
)

# Formats that can run code when they are read, and code itself.
FORBIDDEN_SUFFIXES = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".py", ".so"}
)
TENSOR_PREFIX = "base_model.model."
FLOAT_TYPES = frozenset({"F32", "F16", "BF16"})

# Fields of an adapter_config.json that say nothing about what a plain LoRA computes.
_IGNORED_FIELDS = frozenset(
    {
        "base_model_name_or_path",
        "inference_mode",
        "init_lora_weights",
        "lora_dropout",
        "megatron_core",
        "peft_version",
        "qalora_group_size",
        "revision",
    }
)


class LoraSettings(BaseModel):
    """The part of PEFT's `LoraConfig` that plain LoRA needs (Hu et al. 2021, arXiv 2106.09685).

    `use_rslora` scales by alpha / sqrt(r) instead of alpha / r (Kalajdzievski 2023, arXiv 2312.03732).
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    peft_type: Literal["LORA"]
    task_type: Literal["CAUSAL_LM"] | None = None
    r: Annotated[int, Field(ge=1, le=512)]
    lora_alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    target_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    use_rslora: bool = False
    bias: Literal["none"] = "none"


@dataclass(frozen=True, slots=True)
class CheckedAdapter:
    """An adapter that passed every check, ready to be loaded from `folder`."""

    folder: Path
    manifest: AdapterManifest
    settings: LoraSettings


def check_adapter(folder: Path, base: PreparedBase) -> CheckedAdapter:
    """Check an adapter's folder against its manifest and the base model it is to run on.

    Raises `AdapterError` with the first reason to refuse it: a file that can hold code, anything but plain
    LoRA, another base or chat template, a changed file, tensors that are missing, unexpected, of the wrong
    shape, not finite, or all zero.
    """
    manifest = check_files(folder)
    check_base(manifest, base.name, base.weights_sha256)
    if manifest.chat_template_sha256 != base.chat_template_sha256:
        raise AdapterError(
            f"Adapter {manifest.reference} was trained with another chat template than that of {base.name}; "
            "train it again with this one."
        )
    settings = read_settings(folder / CONFIG_FILE)
    _check_tensors(folder / WEIGHTS_FILE, settings, base)
    return CheckedAdapter(folder=folder, manifest=manifest, settings=settings)


def check_files(folder: Path) -> AdapterManifest:
    """Check that a folder holds no code and exactly the files that its manifest describes.

    Raises `AdapterError` with the first reason to refuse it.
    """
    if not folder.is_dir():
        raise AdapterError(f"There is no adapter folder {folder}.")
    manifest = read_manifest(folder)
    _refuse_code(folder)
    for name, expected in ((WEIGHTS_FILE, manifest.weights_sha256), (CONFIG_FILE, manifest.config_sha256)):
        if not (folder / name).is_file():
            raise AdapterError(f"{folder} holds no {name}; save the adapter with PEFT as safetensors.")
        if sha256_file(folder / name) != expected:
            raise AdapterError(f"{folder / name} is not the file its manifest describes; install it again.")
    return manifest


def check_base(manifest: AdapterManifest, name: str, weights_sha256: str) -> None:
    """Raise `AdapterError` unless the adapter was trained on the base model of these weights."""
    if manifest.base_sha256 != weights_sha256:
        raise AdapterError(
            f"Adapter {manifest.reference} was trained on {manifest.base_model}, whose weights are not those "
            f"of {name}; train it on this base model."
        )


def read_settings(path: Path) -> LoraSettings:
    """Read an `adapter_config.json`. Raises `AdapterError` for whatever is not plain LoRA."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterError(f"{path} cannot be read: {error}") from error
    if not isinstance(fields, dict):
        raise AdapterError(f"{path} is not a JSON object.")
    wanted = {name: value for name, value in fields.items() if name in LoraSettings.model_fields}
    for name, value in fields.items():
        # PEFT writes out every option it knows; an empty one is not in use.
        if name not in wanted and name not in _IGNORED_FIELDS and value not in (None, False, {}, [], ""):
            raise AdapterError(f"{path}: {name} is set; only plain LoRA is taken, so train without it.")
    if isinstance(fields.get("init_lora_weights"), str):
        raise AdapterError(f"{path}: init_lora_weights may change the base's own weights; train without it.")
    try:
        return LoraSettings.model_validate_json(json.dumps(wanted))
    except ValidationError as error:
        raise AdapterError(f"{path}: {first_fault(error)}; only plain LoRA is taken.") from error


def _refuse_code(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in FORBIDDEN_SUFFIXES:
            raise AdapterError(f"{path} could run code when it is read; only safetensors weights are taken.")


def _check_tensors(path: Path, settings: LoraSettings, base: PreparedBase) -> None:
    from safetensors import SafetensorError, safe_open

    expected = _expected_shapes(settings, base)
    try:
        with safe_open(path, framework="pt") as file:
            found = set(file.keys())
            if missing := sorted(expected.keys() - found):
                raise AdapterError(f"{path} lacks {len(missing)} tensors, first {missing[0]}.")
            if unexpected := sorted(found - expected.keys()):
                raise AdapterError(f"{path} holds {len(unexpected)} unknown tensors, first {unexpected[0]}.")
            changed = False
            for name, shape in expected.items():
                part = file.get_slice(name)
                if tuple(part.get_shape()) != shape:
                    raise AdapterError(f"{path}: {name} is {part.get_shape()} and must be {list(shape)}.")
                if part.get_dtype() not in FLOAT_TYPES:
                    raise AdapterError(f"{path}: {name} is {part.get_dtype()} and must be a float type.")
                tensor = file.get_tensor(name)
                if not bool(tensor.isfinite().all()):
                    raise AdapterError(f"{path}: {name} holds values that are not finite; train it again.")
                changed = changed or (".lora_B." in name and bool(tensor.any()))
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{path} cannot be read: {error}") from error
    if not changed:
        raise AdapterError(f"{path} changes nothing: every B matrix is zero; train it first.")


def _expected_shapes(settings: LoraSettings, base: PreparedBase) -> dict[str, tuple[int, int]]:
    """Name and shape of each tensor that a LoRA of these settings has on this base."""
    shapes: dict[str, tuple[int, int]] = {}
    unused = set(settings.target_modules)
    for module, (rows, columns) in linear_modules(base).items():
        # PEFT targets a module by its name or by the end of it.
        targets = {target for target in settings.target_modules if _ends_with(module, target)}
        if targets:
            unused -= targets
            shapes[f"{TENSOR_PREFIX}{module}.lora_A.weight"] = (settings.r, columns)
            shapes[f"{TENSOR_PREFIX}{module}.lora_B.weight"] = (rows, settings.r)
    if unused:
        raise AdapterError(f"{base.name} has no layer {sorted(unused)[0]}, which the adapter targets.")
    return shapes


def _ends_with(module: str, target: str) -> bool:
    return module == target or module.endswith(f".{target}")


def linear_modules(base: PreparedBase) -> dict[str, tuple[int, int]]:
    """The matrices of a base model by module, as (rows, columns), read from the headers of its weights."""
    from safetensors import safe_open

    modules: dict[str, tuple[int, int]] = {}
    for path in sorted(base.folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - safe_open is no dictionary
                shape: Any = file.get_slice(name).get_shape()
                if name.endswith(".weight") and len(shape) == 2:
                    modules[name.removesuffix(".weight")] = (shape[0], shape[1])
    return modules
