"""The voice card: where one version of an adapter comes from, what it was trained on, and how it measured."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    JsonValue,
    NonNegativeInt,
    StringConstraints,
    ValidationError,
)

from adapters.faults import first_fault
from adapters.generation import GenerationError

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
MANIFEST_FILE = "manifest.json"
_MOST_BYTES = 1_000_000

# PEFT keeps adapters in module dictionaries, whose keys may not hold a dot.
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
VERSION_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"

AdapterName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64)]
VersionName = Annotated[str, StringConstraints(pattern=VERSION_PATTERN, max_length=64)]
Reference = Annotated[str, StringConstraints(pattern=NAME_PATTERN[:-1] + "@" + VERSION_PATTERN[1:])]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class AdapterError(GenerationError):
    """An adapter is missing, or was refused; the message names it, the reason and the fix."""


class AdapterManifest(BaseModel):
    """What is known of one adapter version; kept as `manifest.json` beside its weights.

    `weights_sha256` and `config_sha256` are those of the two files that PEFT reads: together they are the
    adapter. `base_sha256` and `chat_template_sha256` are those of `PreparedBase`. `parent` is the
    `name@version` that training began from. `colour` are words that its examples use again and again, which
    stand in no evidence: they carry the voice and claim nothing. `metrics` are training's own, as the last
    loss; whether the adapter may speak is a `Verdict`, kept beside. The fields follow model cards (Mitchell
    et al. 2019, arXiv 1810.03993).
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: AdapterName
    version: VersionName
    weights_sha256: Sha256
    config_sha256: Sha256
    base_model: str
    base_sha256: Sha256
    chat_template_sha256: Sha256
    created_at: AwareDatetime
    created_by: str
    parent: Reference | None = None
    data_sha256: Sha256 | None = None
    data_rows: NonNegativeInt = 0
    data_licence: str = ""
    data_attribution: str = ""
    hyperparameters: dict[str, JsonValue] = {}
    seed: int | None = None
    metrics: dict[str, JsonValue] = {}
    colour: tuple[Annotated[str, StringConstraints(max_length=40)], ...] = ()
    notes: str = ""

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def hash(self) -> str:
        """Names what the adapter does: its weights and their scaling. Safe as a key of caches."""
        return hashlib.sha256(f"{self.weights_sha256}:{self.config_sha256}".encode()).hexdigest()


def read_manifest(folder: Path) -> AdapterManifest:
    """Read the manifest of an adapter's folder. Raises `AdapterError` that names the field at fault."""
    path = folder / MANIFEST_FILE
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise AdapterError(f"{path} is larger than {_MOST_BYTES:,} bytes, which no manifest is.")
        return AdapterManifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AdapterError(
            f"{path} cannot be read ({error.strerror}); an adapter needs its manifest, which training writes."
        ) from error
    except ValidationError as error:
        raise AdapterError(f"{path}: {first_fault(error)}.") from error


def write_manifest(folder: Path, manifest: AdapterManifest) -> None:
    """Write `manifest` as the manifest of an adapter's folder."""
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def is_name(text: str) -> bool:
    """Whether `text` may name an adapter."""
    return re.match(NAME_PATTERN, text) is not None and not text.endswith("\n")


def is_version(text: str) -> bool:
    """Whether `text` may name a version."""
    return re.match(VERSION_PATTERN, text) is not None and not text.endswith("\n")
