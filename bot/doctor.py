"""Checks what an answer needs: settings, disk, models, index, adapters. Every problem comes with its fix."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapters.generation import BASE, GenerationError
from bot.assembly import Assembly
from bot.generators import generation_endpoint
from bot.journal import JournalError
from bot.server_check import check_server
from bot.settings import SettingsError, load_settings
from bot.status import read_status
from bot.vector_server import vector_problem
from knowledge.documents import KnowledgeError, Reader
from knowledge.postgres import shown

ENOUGH_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked; `fix` says how to mend it when it is a problem."""

    what: str
    fix: str = ""
    is_problem: bool = False


def examine(config: Path | None) -> list[Finding]:
    """Check everything that can be checked without asking a question."""
    try:
        settings = load_settings(config)
        repairs: list[str] = []
        assembly = Assembly(settings, repairs.append)
    except (SettingsError, OSError) as error:
        return [Finding(f"settings: {error}", "correct the settings and run `lorebot doctor` again", True)]
    checks: tuple[Callable[[Assembly], Iterator[Finding]], ...] = (
        _settings,
        _disk,
        _embedding_model,
        _generation_model,
        _model_server,
        _vector_server,
        _index,
        _adapters,
    )
    findings = [finding for check in checks for finding in _guarded(check, assembly)]
    return findings + [Finding(f"index: {line}") for line in repairs]


def _guarded(check: Callable[[Assembly], Iterator[Finding]], assembly: Assembly) -> Iterator[Finding]:
    try:
        yield from check(assembly)
    except (SettingsError, KnowledgeError, GenerationError, JournalError) as error:
        yield Finding(str(error), "see the message; then run `lorebot doctor` again", True)
    except (OSError, sqlite3.Error) as error:
        what = check.__name__.strip("_").replace("_", " ")
        yield Finding(f"{what}: {error}", f"check the permissions of {assembly.settings.home}", True)


def _settings(assembly: Assembly) -> Iterator[Finding]:
    names = ", ".join(assembly.sources)
    if names:
        yield Finding(f"settings are valid; sources: {names}")
    else:
        yield Finding("no sources are configured", "add a [[sources]] table to lorebot.toml", True)


def _disk(assembly: Assembly) -> Iterator[Finding]:
    home = assembly.settings.home
    probe = home / ".write-check"
    probe.write_text("", encoding="utf-8")
    probe.unlink()
    free = shutil.disk_usage(home).free
    if free < ENOUGH_BYTES:
        yield Finding(f"disk: {free / 1e9:.1f} GB free in {home}", "free at least 1 GB", True)
    else:
        yield Finding(f"home {home} is writable; {free / 1e9:.0f} GB free")


def _embedding_model(assembly: Assembly) -> Iterator[Finding]:
    vectors = assembly.embedder.embed(["a test"])
    yield Finding(f"embedding model {assembly.embedding_model.name} works ({vectors.shape[1]} dimensions)")


def _generation_model(assembly: Assembly) -> Iterator[Finding]:
    model = assembly.generation_model
    size = sum(f.stat().st_size for f in ([model.path] if model.path.is_file() else model.path.iterdir()))
    yield Finding(f"base model {model.name} is there ({size / 1e6:.0f} MB)")


def _model_server(assembly: Assembly) -> Iterator[Finding]:
    """Whether the model on a server is there and takes the voices that are in use."""
    endpoint = generation_endpoint(assembly.settings)
    if endpoint is None:
        return
    voices = dict.fromkeys(voice.speaks for voice in assembly.voices.active())
    checked = asyncio.run(check_server(assembly, tuple(voices)))
    if checked.problem:
        yield Finding(
            checked.problem, f"start the server, or correct [generation]; {checked.meanwhile}", True
        )
        return
    yield Finding(f"the server {endpoint.url} answers as {endpoint.model}; voices: {checked.voices}")
    for reference, problem in checked.refused.items():
        yield Finding(f"voice {reference} on the server: {problem}", checked.meanwhile, True)


def _vector_server(assembly: Assembly) -> Iterator[Finding]:
    """Whether the Chroma server answers, and has the index."""
    server = assembly.chroma_server
    if server is None:
        return
    meanwhile = "vectors are searched exactly meanwhile"
    try:
        version = server.version()
    except KnowledgeError as error:
        yield Finding(str(error), f"start the server, or correct [chroma]; {meanwhile}", True)
        return
    problem = vector_problem(assembly)
    if problem:
        yield Finding(problem, f"`lorebot sync` puts it there; {meanwhile}", True)
    else:
        yield Finding(f"the Chroma server at {server.url} (API {version}) has the vectors")


def _index(assembly: Assembly) -> Iterator[Finding]:
    status = read_status(assembly)
    if assembly.shared_database is not None:
        by = f"kept current by {status.leader}" if status.leader else "no `lorebot serve` keeps it current"
        yield Finding(f"the index is in {shown(assembly.shared_database.url)}; {by}")
    if not status.passages:
        yield Finding("the index is empty", "run `lorebot sync`", True)
        return
    found = assembly.search.find("a test", _everybody(assembly), 1)
    yield Finding(
        f"index: {status.documents:,} documents, {status.passages:,} passages, generation "
        f"{status.index_generation}"
    )
    if not found:
        yield Finding("the vector index finds nothing", "run `lorebot sync --rebuild`", True)
    for source in status.sources:
        if not source.configured:
            yield Finding(
                f"source '{source.name}' is indexed but no longer configured", "it still answers; see status"
            )
        elif source.outcome != "complete":
            yield Finding(
                f"source '{source.name}': {source.outcome}", f"run `lorebot sync {source.name}`", True
            )
        for failing in source.failing:
            yield Finding(f"cannot be read: {failing}", "mend or remove the document; the rest is indexed")


def _everybody(assembly: Assembly) -> Reader:
    return Reader((frozenset(p for source in assembly.sources.values() for p in source.audience),))


def _adapters(assembly: Assembly) -> Iterator[Finding]:
    for voice in assembly.voices.active():
        if voice.problem:
            yield Finding(
                f"voice of {voice.place}: {voice.problem} {voice.speaks} speaks instead",
                "`lorebot adapters list` shows what is installed, `lorebot adapters use` chooses another",
                True,
            )
        elif voice.speaks == BASE:
            yield Finding(f"voice of {voice.place}: the base model, without an adapter")
        else:
            verdict = assembly.registry.verdict(assembly.registry.resolve(voice.speaks))
            said = "was never evaluated" if verdict is None else "passed" if verdict.passed else "failed"
            fix = "" if said == "passed" else f"`lorebot adapters evaluate {voice.speaks}` measures it"
            yield Finding(f"voice of {voice.place}: {voice.speaks}, which {said}", fix)
