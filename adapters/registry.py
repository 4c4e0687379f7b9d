"""Adapters on disk: `FOLDER/NAME/VERSION/`, each version immutable, one of a name's versions current."""

from __future__ import annotations

import difflib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapters.base_model import PreparedBase
from adapters.checks import check_adapter
from adapters.files import flush_files, replace_file
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

_PIN_FILE = ".pinned"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InstalledAdapter:
    """One version of an adapter in the registry."""

    folder: Path
    manifest: AdapterManifest

    @property
    def version(self) -> AdapterVersion:
        """The version as an answer shows it."""
        return AdapterVersion(self.manifest.name, self.manifest.version, self.manifest.hash)


class AdapterRegistry:
    """The adapters below one folder. Any number of processes may read it; installing is atomic."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def resolve(self, reference: str) -> InstalledAdapter:
        """The adapter that `NAME@VERSION` names, or for `NAME` the pinned version, else the newest.

        Raises `AdapterError` that names the nearest adapter there is.
        """
        name, at, version = reference.partition("@")
        if name == BASE:
            raise AdapterError("base is the untouched model, which has no adapter.")
        versions = self._versions(name)
        if not versions:
            raise AdapterError(_unknown(name, self._names()))
        wanted = version if at else self.pinned(name)
        if wanted is not None:
            if wanted not in versions:
                known = ", ".join(versions)
                raise AdapterError(f"Adapter {name} has no version {wanted!r}; it has {known}.")
            return self._read(name, wanted)
        installed = [self._read(name, version) for version in versions]
        return max(installed, key=lambda adapter: (adapter.manifest.created_at, adapter.manifest.version))

    def list(self) -> tuple[InstalledAdapter, ...]:
        """Every version, by name and then oldest first. Those with an unreadable manifest are logged."""
        return tuple(
            sorted(
                self._readable(),
                key=lambda adapter: (adapter.manifest.name, adapter.manifest.created_at),
            )
        )

    def install(self, folder: Path, name: str, base: PreparedBase) -> InstalledAdapter:
        """Check the adapter in `folder` and copy it into the registry under `name`.

        Its manifest gives the version. Installing the same files again changes nothing. Raises
        `AdapterError` when the adapter is refused (see `check_adapter`), or when the version is taken.
        """
        if not is_name(name) or name == BASE:
            raise AdapterError(
                f"{name!r} cannot name an adapter; use small letters, digits, - and _, but not {BASE}."
            )
        check_adapter(folder, base)
        target = self._folder / name
        target.mkdir(parents=True, exist_ok=True)
        arriving = Path(tempfile.mkdtemp(dir=target, prefix=".arriving-"))
        try:
            for file in (CONFIG_FILE, WEIGHTS_FILE, MANIFEST_FILE):
                shutil.copyfile(folder / file, arriving / file)
            manifest = read_manifest(arriving).model_copy(update={"name": name})
            write_manifest(arriving, manifest)
            check_adapter(arriving, base)
            arriving.chmod(0o755)
            return self._publish(arriving, target / manifest.version, manifest)
        finally:
            shutil.rmtree(arriving, ignore_errors=True)

    def pin(self, name: str, version: str) -> None:
        """Make `version` the one that `name` alone means. Raises `AdapterError` when there is none."""
        self.resolve(f"{name}@{version}")
        replace_file(self._folder / name / _PIN_FILE, version)

    def unpin(self, name: str) -> None:
        """Let `name` mean its newest version again."""
        self.resolve(name)
        (self._folder / name / _PIN_FILE).unlink(missing_ok=True)

    def pinned(self, name: str) -> str | None:
        """The version that `name` is pinned to."""
        try:
            return (self._folder / name / _PIN_FILE).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def _publish(self, arriving: Path, target: Path, manifest: AdapterManifest) -> InstalledAdapter:
        flush_files(arriving)
        try:
            arriving.rename(target)
        except OSError as error:
            if not target.is_dir():
                raise
            if read_manifest(target).hash != manifest.hash:
                raise AdapterError(
                    f"Adapter {manifest.reference} is installed with other weights; "
                    "versions never change, so give the new one its own."
                ) from error
        return InstalledAdapter(target, read_manifest(target))

    def _read(self, name: str, version: str) -> InstalledAdapter:
        folder = self._folder / name / version
        manifest = read_manifest(folder)
        if (manifest.name, manifest.version) != (name, version):
            raise AdapterError(f"{folder} holds {manifest.reference}; folders are named by name and version.")
        return InstalledAdapter(folder, manifest)

    def _readable(self) -> Iterator[InstalledAdapter]:
        for name in self._names():
            for version in self._versions(name):
                try:
                    yield self._read(name, version)
                except AdapterError as error:
                    logger.warning("An adapter is left out: %s", error)

    def _names(self) -> tuple[str, ...]:
        if not self._folder.is_dir():
            return ()
        names = sorted(path.name for path in self._folder.iterdir() if is_name(path.name))
        return tuple(name for name in names if self._versions(name))

    def _versions(self, name: str) -> tuple[str, ...]:
        folder = self._folder / name
        if not is_name(name) or not folder.is_dir():
            return ()
        return tuple(
            sorted(path.name for path in folder.iterdir() if is_version(path.name) and path.is_dir())
        )


def _unknown(name: str, names: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name, names, n=1)
    if nearest:
        return f"There is no adapter {name!r}; did you mean {nearest[0]!r}?"
    known = f"there are {', '.join(names)}" if names else "none is installed"
    return f"There is no adapter {name!r}; {known}."
