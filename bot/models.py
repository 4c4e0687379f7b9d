"""Finds a model that the settings name: in a folder, inside an installed package, or by hub id."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from bot.settings import SettingsError

PACKAGE = "package:"


@dataclass(frozen=True, slots=True)
class LocatedModel:
    """A model on this machine: `path` is a folder, or one file such as a GGUF; `name` is for people."""

    name: str
    path: Path


def is_on_hub(spec: str) -> bool:
    """Whether a model's name is a hub id, rather than a package or a path on this machine."""
    local = spec.startswith((PACKAGE, ".", "/", "~")) or Path(spec).exists()
    return not local and spec.count("/") == 1


def locate_model(key: str, spec: str) -> LocatedModel:
    """Find the model that the settings name under `key` ("models.embedding").

    Raises `SettingsError` when it is not there, with the fix.
    """
    if spec.startswith(PACKAGE):
        return _in_package(key, spec)
    if is_on_hub(spec):
        return _from_hub(key, spec)
    path = Path(spec).expanduser()
    if not path.exists():
        raise SettingsError(f"'{key}': {path} does not exist; name a folder, `package:NAME/FILE` or a hub id")
    return LocatedModel(path.stem if path.is_file() else path.name, path.resolve())


def _in_package(key: str, spec: str) -> LocatedModel:
    package, _, file = spec.removeprefix(PACKAGE).partition("/")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise SettingsError(f"'{key}': the package {package} is not installed; `make setup` installs it")
    path = Path(found.submodule_search_locations[0]) / file
    if not file or not path.exists():
        raise SettingsError(f"'{key}': the package {package} holds no '{file}'; write package:NAME/FILE")
    return LocatedModel(path.stem if path.is_file() else package, path)


def _from_hub(key: str, spec: str) -> LocatedModel:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    wanted = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "1_Pooling/*"]
    try:
        folder = snapshot_download(spec, allow_patterns=wanted)
    except (HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"'{key}': the model {spec} cannot be had from the hub: {reason}") from error
    return LocatedModel(spec, Path(folder))
