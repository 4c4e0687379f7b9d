"""Adapters on disk: `FOLDER/NAME/VERSION/`, each version immutable, and what was measured of it beside it."""

from __future__ import annotations

import difflib
import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from adapters.base_model import PreparedBase
from adapters.checks import check_adapter, check_files
from adapters.files import flush_files
from adapters.generation import BASE, AdapterVersion
from adapters.manifest import (
    CONFIG_FILE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    AdapterError,
    AdapterManifest,
    is_name,
    is_version,
    read_manifest,
    write_manifest,
)
from adapters.verdict import Verdict, read_verdict

# The adapters that come with the product.
SHIPPED = Path(__file__).with_name("shipped")

# Words that stand for a choice wherever an adapter is named.
RESERVED = frozenset({BASE, "auto", "default"})

_ADAPTER_FILES = (CONFIG_FILE, WEIGHTS_FILE, MANIFEST_FILE)
_EVALUATIONS = ".evaluations"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InstalledAdapter:
    """One version of an adapter in the registry."""

    folder: Path
    manifest: AdapterManifest

    @property
    def version(self) -> AdapterVersion:
        """The version as an answer shows it."""
        return AdapterVersion(
            self.manifest.name, self.manifest.version, self.manifest.hash, self.manifest.colour
        )

    @property
    def size(self) -> int:
        """Bytes of the weights; 0 when they are gone."""
        path = self.folder / WEIGHTS_FILE
        return path.stat().st_size if path.is_file() else 0


class AdapterRegistry:
    """The adapters below `folder`, where installs go, and those below `shipped`, which are only read.

    Any number of processes may read both; installing and removing are atomic.
    """

    def __init__(self, folder: Path, shipped: Path | None = None) -> None:
        self._folder = folder
        self._folders = (folder,) if shipped is None else (shipped, folder)

    def resolve(self, reference: str) -> InstalledAdapter:
        """The adapter that `NAME@VERSION` names, or for `NAME` the newest version.

        Raises `AdapterError` that names the nearest adapter there is.
        """
        name, at, version = reference.partition("@")
        if not at:
            return self.versions(name)[-1]
        folder = self._versions(name).get(version)
        if folder is None:
            known = ", ".join(adapter.manifest.version for adapter in self.versions(name))
            raise AdapterError(f"Adapter {name} has no version {version!r}; it has {known}.")
        return _read(folder)

    def speaker(self, reference: str) -> AdapterVersion:
        """The version that speaks under a reference, with its skill; `base` is the untouched model.

        Raises `AdapterError`.
        """
        if reference == BASE:
            return AdapterVersion(BASE, "", "")
        installed = self.resolve(reference)
        return replace(installed.version, skill=self.skill_of(installed))

    def versions(self, name: str) -> tuple[InstalledAdapter, ...]:
        """Every version of `name` whose manifest can be read, oldest first.

        Raises `AdapterError` when there is none.
        """
        if name == BASE:
            raise AdapterError("base is the untouched model, which has no adapter.")
        folders = self._versions(name)
        if not folders:
            raise AdapterError(_unknown(name, self.names()))
        found: list[InstalledAdapter] = []
        refused: list[AdapterError] = []
        for folder in folders.values():
            try:
                found.append(_read(folder))
            except AdapterError as error:
                refused.append(error)
        if not found:
            raise refused[0]
        return tuple(sorted(found, key=_age))

    def names(self) -> tuple[str, ...]:
        """The names that have a version, readable or not."""
        folders = [folder for folder in self._folders if folder.is_dir()]
        names = sorted({path.name for folder in folders for path in folder.iterdir() if is_name(path.name)})
        return tuple(name for name in names if self._versions(name))

    def list(self) -> tuple[InstalledAdapter, ...]:
        """Every version, by name and then oldest first. Those with an unreadable manifest are logged."""
        folders = [folder for name in self.names() for folder in self._versions(name).values()]
        return tuple(sorted(_readable(folders), key=lambda adapter: (adapter.manifest.name, *_age(adapter))))

    def skill_of(self, adapter: InstalledAdapter) -> str:
        """The reference of the oldest adapter in a lineage that is installed, "" when that is the adapter."""
        oldest, seen = adapter, {adapter.manifest.reference}
        while (parent := oldest.manifest.parent) and parent not in seen:
            try:
                oldest = self.resolve(parent)
            except AdapterError:
                break
            seen.add(parent)
        return "" if oldest is adapter else oldest.manifest.reference

    def is_shipped(self, adapter: InstalledAdapter) -> bool:
        """Whether the adapter comes with the product, so that its folder is only read."""
        return not adapter.folder.is_relative_to(self._folder)

    def install(self, folder: Path, name: str, base: PreparedBase) -> InstalledAdapter:
        """Check the adapter in `folder` and copy it into the registry under `name`.

        Its manifest gives the version. Installing the same files again changes nothing. An evaluation that
        lies in `folder` is left there: what was measured elsewhere decides nothing here. Raises
        `AdapterError` when the adapter is refused (see `check_adapter`), or when the version is taken.
        """
        if not is_name(name) or name in RESERVED:
            raise AdapterError(
                f"{name!r} cannot name an adapter; use small letters, digits, - and _, but not "
                f"{', '.join(sorted(RESERVED))}."
            )
        checked = check_adapter(folder, base).manifest
        if taken := self._versions(name).get(checked.version):
            return _same(_read(taken), checked)
        target = self._folder / name
        target.mkdir(parents=True, exist_ok=True)
        arriving = Path(tempfile.mkdtemp(dir=target, prefix=".arriving-"))
        try:
            for file in _ADAPTER_FILES:
                shutil.copyfile(folder / file, arriving / file)
            manifest = read_manifest(arriving).model_copy(update={"name": name})
            write_manifest(arriving, manifest)
            check_adapter(arriving, base)
            arriving.chmod(0o755)
            return self._publish(arriving, target / manifest.version, manifest)
        finally:
            shutil.rmtree(arriving, ignore_errors=True)

    def remove(self, adapter: InstalledAdapter) -> None:
        """Delete a version and what was measured of it.

        Raises `AdapterError` when it comes with the product, or when another was trained from it.
        """
        reference = adapter.manifest.reference
        if self.is_shipped(adapter):
            raise AdapterError(f"Adapter {reference} comes with Lorebot and stays.")
        children = [other.manifest.reference for other in self.list() if other.manifest.parent == reference]
        if children:
            raise AdapterError(
                f"Adapter {reference} is the parent of {', '.join(children)}; remove "
                f"{'that' if len(children) == 1 else 'those'} first."
            )
        leaving = Path(tempfile.mkdtemp(dir=adapter.folder.parent, prefix=".leaving-"))
        try:
            adapter.folder.rename(leaving / adapter.manifest.version)
        finally:
            shutil.rmtree(leaving, ignore_errors=True)

    def export(self, adapter: InstalledAdapter, folder: Path) -> None:
        """Copy a version into a new or empty folder, which PEFT and vLLM read as it is.

        Raises `AdapterError` when the folder holds something, or the adapter's files are damaged.
        """
        check_files(adapter.folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise AdapterError(f"{folder} is there already; name a new or empty folder.")
        folder.mkdir(parents=True, exist_ok=True)
        for file in _ADAPTER_FILES:
            shutil.copyfile(adapter.folder / file, folder / file)

    def evaluation_folder(self, adapter: InstalledAdapter) -> Path:
        """Where to keep what is measured of an adapter: beside its weights.

        For one that comes with the product: in the home's own folder, under `.evaluations`.
        """
        if self.is_shipped(adapter):
            return self._folder / _EVALUATIONS / adapter.manifest.name / adapter.manifest.version
        return adapter.folder

    def verdict(self, adapter: InstalledAdapter) -> Verdict | None:
        """What the last evaluation found of exactly these weights; None when they were never measured.

        One made here goes before the one that came with the product. A file that cannot be read counts as
        none.
        """
        for folder in (self.evaluation_folder(adapter), adapter.folder):
            try:
                verdict = read_verdict(folder)
            except AdapterError:
                continue
            if verdict is not None and verdict.adapter_hash == adapter.manifest.hash:
                return verdict
        return None

    def _publish(self, arriving: Path, target: Path, manifest: AdapterManifest) -> InstalledAdapter:
        flush_files(arriving)
        try:
            arriving.rename(target)
        except OSError:
            if not target.is_dir():
                raise
        return _same(InstalledAdapter(target, read_manifest(target)), manifest)

    def _versions(self, name: str) -> dict[str, Path]:
        """The folders of a name's versions; of two with one version, the home's own."""
        if not is_name(name):
            return {}
        folders = [folder / name for folder in self._folders if (folder / name).is_dir()]
        return {
            path.name: path
            for folder in folders
            for path in sorted(folder.iterdir())
            if is_version(path.name) and path.is_dir()
        }


def _read(folder: Path) -> InstalledAdapter:
    manifest = read_manifest(folder)
    if (manifest.name, manifest.version) != (folder.parent.name, folder.name):
        raise AdapterError(f"{folder} holds {manifest.reference}; folders are named by name and version.")
    return InstalledAdapter(folder, manifest)


def _readable(folders: Iterable[Path]) -> Iterator[InstalledAdapter]:
    for folder in folders:
        try:
            yield _read(folder)
        except AdapterError as error:
            logger.warning("An adapter is left out: %s", error)


def _age(adapter: InstalledAdapter) -> tuple[datetime, str]:
    return adapter.manifest.created_at, adapter.manifest.version


def _same(installed: InstalledAdapter, arriving: AdapterManifest) -> InstalledAdapter:
    """What is installed, when it is what arrives."""
    if installed.manifest.hash != arriving.hash:
        raise AdapterError(
            f"Adapter {installed.manifest.reference} is installed with other weights; "
            "versions never change, so give the new one its own."
        )
    return installed


def _unknown(name: str, names: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name, names, n=1)
    if nearest:
        return f"There is no adapter {name!r}; did you mean {nearest[0]!r}?"
    known = f"there are {', '.join(names)}" if names else "none is installed"
    return f"There is no adapter {name!r}; {known}."
