"""What admins see and change of the adapters: which are there, which may speak, which speaks where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from adapters.base_model import PreparedBase, prepare_base
from adapters.generation import GenerationRequest, Message
from adapters.manifest import read_manifest
from adapters.registry import AdapterRegistry, InstalledAdapter
from adapters.verdict import REPORT_FILE, Verdict
from bot.assembly import Assembly
from bot.journal import Entry
from bot.places import parse_place, wider_places
from bot.voices import VOICE, ActiveVoice, VoiceChange, VoiceRefusedError

ADAPTER = "adapter"

Standing = Literal["passed", "failed", "not measured"]


@dataclass(frozen=True, slots=True)
class AdapterSummary:
    """One version; `places` are those where it speaks, `size` the bytes of its weights."""

    reference: str
    standing: Standing
    places: tuple[str, ...]
    size: int
    parent: str
    shipped: bool
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class AdapterList:
    """Every version that is installed, and the voice of every place that has one of its own."""

    adapters: tuple[AdapterSummary, ...]
    voices: tuple[ActiveVoice, ...]


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """The voice card of one version: where it comes from and what was measured of it.

    `manifest` and `verdict` have the fields of `AdapterManifest` and `Verdict`; `report` is the file to open
    in a browser, "" without one.
    """

    summary: AdapterSummary
    hash: str
    folder: str
    manifest: Mapping[str, Any]
    verdict: Mapping[str, Any] | None
    report: str


@dataclass(frozen=True, slots=True)
class AdapterChange:
    """What a command did: `done` is "imported", "unchanged" (it was there), "exported" or "removed"."""

    done: Literal["imported", "unchanged", "exported", "removed"]
    reference: str
    folder: str


@dataclass(frozen=True, slots=True)
class VoiceChanged:
    """What a command did to the voice of a place; `elsewhere` are the places that keep their own."""

    change: VoiceChange
    elsewhere: tuple[ActiveVoice, ...]


@dataclass(frozen=True, slots=True)
class History:
    """Changes of voices and adapters, newest first."""

    entries: tuple[Entry, ...]


AdapterView = AdapterList | AdapterCard | AdapterChange | VoiceChanged | History


def list_adapters(assembly: Assembly) -> AdapterList:
    """Every version with its standing and where it speaks. Raises `JournalError`."""
    voices = assembly.voices.active()
    return AdapterList(
        tuple(_summary(assembly.registry, adapter, voices) for adapter in assembly.registry.list()), voices
    )


def show_adapter(assembly: Assembly, reference: str) -> AdapterCard:
    """The voice card of a version. Raises `AdapterError` and `JournalError`."""
    registry = assembly.registry
    adapter = registry.resolve(reference)
    verdict = registry.verdict(adapter)
    reports = [folder / REPORT_FILE for folder in (registry.evaluation_folder(adapter), adapter.folder)]
    return AdapterCard(
        summary=_summary(registry, adapter, assembly.voices.active()),
        hash=adapter.manifest.hash,
        folder=str(adapter.folder),
        manifest=adapter.manifest.model_dump(mode="json"),
        verdict=None if verdict is None else verdict.model_dump(mode="json"),
        report=next((str(report) for report in reports if report.is_file()), ""),
    )


async def import_adapter(assembly: Assembly, folder: Path, name: str | None, who: str) -> AdapterChange:
    """Install the adapter in `folder` after it was checked and heard to change what the model says.

    Raises `GenerationError` when it is refused, and `JournalError`.
    """
    named = name or read_manifest(folder).name
    base = prepare_base(assembly.base_location, assembly.layout.models)
    known = {adapter.manifest.reference for adapter in assembly.registry.list()}
    await _try_out(assembly, folder, named, base)
    adapter = assembly.registry.install(folder, named, base)
    reference = adapter.manifest.reference
    if reference in known:
        return AdapterChange("unchanged", reference, str(adapter.folder))
    assembly.journal.append(ADAPTER, reference, who, {"done": "imported", "hash": adapter.manifest.hash})
    return AdapterChange("imported", reference, str(adapter.folder))


def export_adapter(assembly: Assembly, reference: str, folder: Path) -> AdapterChange:
    """Copy a version into a new folder. Raises `AdapterError`."""
    adapter = assembly.registry.resolve(reference)
    assembly.registry.export(adapter, folder)
    return AdapterChange("exported", adapter.manifest.reference, str(folder))


def use_adapter(assembly: Assembly, reference: str, place: str, who: str) -> VoiceChanged:
    """Let an adapter speak in a place; see `Voices.activate`."""
    return _changed(assembly, assembly.voices.activate(reference, place, who))


def use_adapter_in_spite_of_verdict(assembly: Assembly, reference: str, place: str, who: str) -> VoiceChanged:
    """Let an adapter speak in a place; see `Voices.activate_in_spite_of_verdict`."""
    return _changed(assembly, assembly.voices.activate_in_spite_of_verdict(reference, place, who))


def roll_back(assembly: Assembly, place: str, who: str) -> VoiceChanged:
    """Undo the last choice of a voice for a place; see `Voices.rollback`."""
    return _changed(assembly, assembly.voices.rollback(place, who))


def remove_adapter(assembly: Assembly, reference: str, who: str) -> AdapterChange:
    """Delete one version. Raises `VoiceRefusedError` while it speaks anywhere, and `AdapterError`."""
    adapter = assembly.registry.resolve(reference)
    exact = adapter.manifest.reference
    if "@" not in reference:
        raise VoiceRefusedError(f"Name the version to remove: {exact}.")
    if places := assembly.voices.places_of(exact):
        raise VoiceRefusedError(
            f"{exact} speaks in {', '.join(places)}; choose another there first: `lorebot adapters use NAME "
            f"--place {places[0]}`."
        )
    assembly.registry.remove(adapter)
    assembly.journal.append(ADAPTER, exact, who, {"done": "removed", "hash": adapter.manifest.hash})
    return AdapterChange("removed", exact, "")


def read_history(assembly: Assembly, place: str | None, limit: int) -> History:
    """The last changes, of one place or of all and of the adapters. Raises `PlaceError`, `JournalError`."""
    if place is None:
        return History(assembly.journal.recent((VOICE, ADAPTER), limit))
    return History(assembly.journal.recent_of(VOICE, parse_place(place), limit))


def standing(verdict: Verdict | None) -> Standing:
    """A verdict in one word."""
    if verdict is None:
        return "not measured"
    return "passed" if verdict.passed else "failed"


async def _try_out(assembly: Assembly, folder: Path, name: str, base: PreparedBase) -> None:
    """Load an adapter once on the base model, which refuses one that has no effect or breaks the model."""
    with TemporaryDirectory(prefix="lorebot-import-") as scratch:
        registry = AdapterRegistry(Path(scratch))
        adapter = registry.install(folder, name, base)
        generator = assembly.generator_of(registry)
        try:
            greeting = (Message("user", "Hello"),)
            request = GenerationRequest(greeting, adapter.manifest.reference, max_new_tokens=1)
            async for _ in generator.stream(request):
                pass
        finally:
            await generator.close()


def _changed(assembly: Assembly, change: VoiceChange) -> VoiceChanged:
    inside = (voice for voice in assembly.voices.active() if change.place in wider_places(voice.place)[1:])
    return VoiceChanged(change, tuple(inside))


def _summary(
    registry: AdapterRegistry, adapter: InstalledAdapter, voices: Sequence[ActiveVoice]
) -> AdapterSummary:
    manifest = adapter.manifest
    return AdapterSummary(
        reference=manifest.reference,
        standing=standing(registry.verdict(adapter)),
        places=tuple(voice.place for voice in voices if voice.speaks == manifest.reference),
        size=adapter.size,
        parent=manifest.parent or "",
        shipped=registry.is_shipped(adapter),
        created_at=manifest.created_at,
        created_by=manifest.created_by,
    )
