"""Syncs in processes of their own that are killed at random moments, and what must be true afterwards.

Run as a program it is such a process: `killed_syncs.py HOME EMBEDDER CHUNKER`, with their identities.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from index_standins import ParagraphChunker, WordEmbedder, to_markdown

from knowledge.catalog import Catalog
from knowledge.chroma import ChromaVectors, _audience_by_id, _writing
from knowledge.documents import RawDocument
from knowledge.edition_folders import EditionFolders
from knowledge.editions import Editions
from knowledge.locking import FileLocks
from knowledge.snapshots import read_seal
from knowledge.sources.folder import FolderSource
from knowledge.sync import Synchronizer
from knowledge.sync_report import SyncOptions

DOCUMENTS = 210  # five passages each: more than the 1,000 at which Chroma writes its HNSW files
EVERYONE = frozenset({"everyone"})


@dataclass(frozen=True)
class Settings:
    """What an edition is made with."""

    embedder: str = "words-1"
    chunker: str = "paragraphs-1"


@dataclass(frozen=True)
class Kill:
    """One kill: when, how many documents the run had published, and how many passages it had embedded."""

    settings_changed: str
    after_seconds: float
    embedded: int
    embedded_again: int
    in_hand: int


class Home:
    """A folder of documents, its index, and what each document said before and says now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now: dict[str, str] = {}
        self.before: dict[str, str] = {}
        self.settings = Settings()
        (path / "docs").mkdir()

    def edit(self, chance: random.Random, share: float) -> None:
        """Write, change and delete a share of the documents."""
        self.before = dict(self.now)
        for n in range(DOCUMENTS):
            name = f"{n:03}.md"
            if chance.random() > share:
                continue
            if name in self.now and chance.random() < 0.2:
                del self.now[name]
                (self.path / "docs" / name).unlink()
                continue
            mark = chance.randrange(10**9)
            kept = self.now.get(name, "").split("\n\n")[:2]
            said = [*kept, *(f"Paragraph {p} of edit {mark} in document {n}." for p in range(len(kept), 5))]
            self.now[name] = "\n\n".join(part for part in said if part)
            (self.path / "docs" / name).write_text(self.now[name])

    def start(self) -> subprocess.Popen[str]:
        """Start a sync in a process of its own and wait until its work begins."""
        child = subprocess.Popen(
            [sys.executable, __file__, str(self.path), self.settings.embedder, self.settings.chunker],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None and child.stdout.readline() == "ready\n", child.communicate()
        return child

    def finish(self) -> float:
        """Run a whole sync; returns the seconds its work took."""
        child = self.start()
        began = time.monotonic()
        _, error = child.communicate()
        assert child.returncode == 0, error
        return time.monotonic() - began

    def embedded(self) -> list[list[str]]:
        """The texts of every embed call since the last look."""
        log = self.path / "embedded.log"
        if not log.exists():
            return []
        calls = [json.loads(line) for line in log.read_text().splitlines()]
        log.unlink()
        return calls

    def check_documents_are_whole(self) -> None:
        """Every document that answers is in its old version or its new one."""
        with self._catalog() as catalog:
            for uri, texts in _indexed(catalog).items():
                versions = [texts_of(uri, said[uri]) for said in (self.before, self.now) if uri in said]
                assert texts in versions, f"{uri} is a mixture"

    def check_all_is_right(self) -> None:
        """The index holds what the documents say, all of it is found, and nothing else is on disk."""
        with self._catalog() as catalog:
            assert _indexed(catalog) == {uri: texts_of(uri, text) for uri, text in self.now.items()}
            source = FolderSource("docs", self.path / "docs", EVERYONE)
            listed = {entry.uri: entry.version for entry in source.list() if entry}
            assert {uri: known.version for uri, known in catalog.known("docs").items()} == listed
            live, embedded = catalog.vectors_of(self.settings.embedder, range(1, 10**5))
            assert live.tolist() == sorted(catalog.unfiltered_passages(range(1, 10**5)))
            said: list[str] = []
            folder = catalog.place.parent / "vectors"
            vectors = ChromaVectors(folder, catalog, self.settings.embedder, said.append)
            for passage_id, vector in zip(live.tolist(), embedded, strict=True):
                found = dict(vectors.query(vector, 3, [1]))
                assert found.get(passage_id, 0.0) > 0.999, f"{passage_id} is not found"
            seal = read_seal(folder)
            vectors.close()
            assert said == [] and seal is not None and seal.stamp == catalog.stamp()  # Chroma answered
            with _writing(folder / seal.snapshot) as collection:
                assert sorted(_audience_by_id(collection)) == live.tolist()
        assert [path.name for path in (self.path / "index").iterdir() if path.is_dir()] == [
            catalog.place.parent.name
        ]

    def _catalog(self) -> Catalog:
        live = (self.path / "index" / "live").read_text().strip()
        return Catalog(self.path / "index" / live / "catalog.sqlite")


def kills(path: Path, count: int, seed: int) -> Iterator[Kill]:
    """Kill so many syncs, every third of which has other settings and builds a new edition.

    After each kill, and after the whole sync that follows it, everything is checked; raises `AssertionError`.
    """
    chance = random.Random(seed)
    home = Home(path)
    home.edit(chance, share=1.0)
    seconds = home.finish()
    home.check_all_is_right()
    for number in range(count):
        home.embedded()
        home.edit(chance, share=chance.choice([0.12, 0.5]))
        changed = ("", "embedder", "chunker")[number % 3]
        if changed == "embedder":
            home.settings = Settings(f"words-{number}", home.settings.chunker)
        elif changed == "chunker":
            home.settings = Settings(home.settings.embedder, f"paragraphs-{number}")
        after = chance.uniform(0, seconds)
        child = home.start()
        time.sleep(after)
        child.kill()
        child.communicate()
        home.check_documents_are_whole()
        done = home.embedded()
        in_hand = set(done[-1]) if done else set()
        seconds = home.finish()
        before_kill, after_kill = _texts(done), _texts(home.embedded())
        again = before_kill & after_kill
        assert again <= in_hand, f"kill {number}: finished embeddings were made again"
        if changed != "embedder":
            old = {
                _embedded_text(uri, text) for uri, said in home.before.items() for text in texts_of(uri, said)
            }
            assert not old & (before_kill | after_kill), (
                f"kill {number}: what was embedded was embedded again"
            )
        home.check_all_is_right()
        yield Kill(changed, after, len(before_kill), len(again), len(in_hand))


def texts_of(uri: str, text: str) -> list[str]:
    """The passages of a document."""
    document = to_markdown(RawDocument(uri, uri, text.encode()))
    return [passage.text for passage in ParagraphChunker().split(document)]


def _embedded_text(uri: str, text: str) -> str:
    return f"{uri}\n\n{text}"


def _texts(calls: list[list[str]]) -> set[str]:
    return {text for call in calls for text in call}


def _indexed(catalog: Catalog) -> dict[str, list[str]]:
    """The passages of every live document."""
    live: dict[str, list[str]] = {document.uri: [] for document in catalog.documents("docs")}
    for passage in sorted(
        catalog.unfiltered_passages(range(1, 10**5)).values(), key=lambda p: (p.uri, p.ordinal)
    ):
        live[passage.uri].append(passage.text)
    return live


class LoggingEmbedder(WordEmbedder):
    """Writes down what it embeds."""

    def __init__(self, identity: str, log: Path) -> None:
        super().__init__(identity)
        self._log = log

    def embed(self, texts: list[str]) -> object:
        with self._log.open("a") as log:
            log.write(json.dumps(list(texts)) + "\n")
        return super().embed(texts)


def main() -> None:
    """Sync the documents of a home once."""
    import chromadb  # noqa: F401  (before "ready": loading it is no part of the work)

    home, embedder, chunker = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    synchronizer = Synchronizer(
        Editions(EditionFolders(home / "index"), print, ChromaVectors),
        LoggingEmbedder(embedder, home / "embedded.log"),
        ParagraphChunker(chunker),
        to_markdown,
        FileLocks(home / "locks"),
        "",
        ["docs"],
    )
    source = FolderSource("docs", home / "docs", EVERYONE)
    print("ready", flush=True)
    synchronizer.sync(
        source,
        on_progress=lambda _: None,
        cancelled=threading.Event(),
        options=SyncOptions(confirm_deletions=True),
    )


if __name__ == "__main__":
    main()
