"""A sync that is killed at any moment leaves whole documents, and the next one puts everything right."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_standins import ParagraphChunker, WordEmbedder, to_markdown

from knowledge.catalog import Catalog
from knowledge.chroma import ChromaVectors, _audience_by_id, _writing
from knowledge.documents import RawDocument
from knowledge.snapshots import read_seal
from knowledge.sources.folder import FolderSource

pytestmark = pytest.mark.slow

KILLS = 20
DOCUMENTS = 210  # five passages each: more than the 1,000 at which Chroma writes its HNSW files
CHILD = """
import json, sys, threading
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import chromadb, sqlalchemy
from index_standins import ParagraphChunker, WordEmbedder, to_markdown
from knowledge.catalog import Catalog
from knowledge.snapshots import read_seal
from knowledge.sources.folder import FolderSource
from knowledge.sync import SyncOptions, Synchronizer
from knowledge.vectors import open_vectors

class LoggingEmbedder(WordEmbedder):
    def embed(self, texts):
        with (home / "embedded.log").open("a") as log:
            log.write(json.dumps(list(texts)) + "\\n")
        return super().embed(texts)

home, embedder = Path(sys.argv[2]), LoggingEmbedder()
catalog = Catalog(home / "catalog.sqlite")
vectors = open_vectors(home / "vectors", catalog, embedder.identity, print)
synchronizer = Synchronizer(catalog, vectors, embedder, ParagraphChunker(), to_markdown, home / "sync.lock")
source = FolderSource("docs", home / "docs", frozenset({"everyone"}))
print("ready", flush=True)
synchronizer.sync(
    source,
    on_progress=lambda _: None,
    cancelled=threading.Event(),
    options=SyncOptions(confirm_deletions=True),
)
"""


class Home:
    """A folder of documents, its index, and what each document said before and says now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now: dict[str, str] = {}
        self.before: dict[str, str] = {}
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
            [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(self.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        return child

    def finish(self) -> float:
        """Run a whole sync; returns the seconds its work took."""
        child = self.start()
        began = time.monotonic()
        _, error = child.communicate()
        assert child.returncode == 0, error
        return time.monotonic() - began

    def embedded(self) -> Iterator[list[str]]:
        """The texts of every embed call since the last look."""
        log = self.path / "embedded.log"
        if log.exists():
            yield from (json.loads(line) for line in log.read_text().splitlines())
            log.unlink()

    def indexed(self, catalog: Catalog) -> dict[str, list[str]]:
        """The passages of every live document."""
        live: dict[str, list[str]] = {document.uri: [] for document in catalog.documents("docs")}
        for passage in sorted(catalog.passages(range(1, 10**5)).values(), key=lambda p: (p.uri, p.ordinal)):
            live[passage.uri].append(passage.text)
        return live


def passages_of(name: str, text: str) -> list[str]:
    document = to_markdown(RawDocument(name, name, text.encode()))
    return [passage.text for passage in ParagraphChunker().split(document)]


def assert_every_document_is_whole(home: Home, catalog: Catalog) -> None:
    for uri, texts in home.indexed(catalog).items():
        versions = [passages_of(uri, said[uri]) for said in (home.before, home.now) if uri in said]
        assert texts in versions, f"{uri} is a mixture"


def assert_all_is_right(home: Home, catalog: Catalog) -> None:
    assert home.indexed(catalog) == {uri: passages_of(uri, text) for uri, text in home.now.items()}
    source = FolderSource("docs", home.path / "docs", frozenset({"everyone"}))
    assert {u: d.version for u, d in catalog.known("docs").items()} == {
        e.uri: e.version for e in source.list()
    }
    model = WordEmbedder().identity
    live, embedded = catalog.vectors_of(model, range(1, 10**5))
    assert live.tolist() == sorted(catalog.passages(range(1, 10**5)))
    said: list[str] = []
    vectors = ChromaVectors(home.path / "vectors", catalog, model, said.append)
    for passage_id, vector in zip(live.tolist(), embedded, strict=True):
        assert dict(vectors.query(vector, 3, [1])).get(passage_id, 0.0) > 0.999, f"{passage_id} is not found"
    seal = read_seal(home.path / "vectors")
    vectors.close()
    assert said == [] and seal is not None and seal.stamp == catalog.stamp()  # it was Chroma that answered
    with _writing(home.path / "vectors" / seal.snapshot) as collection:
        assert sorted(_audience_by_id(collection)) == live.tolist()


@pytest.mark.timeout(600)
def test_after_every_kill_the_next_sync_ends_with_the_whole_truth(tmp_path: Path) -> None:
    chance = random.Random(20)
    home = Home(tmp_path)
    home.edit(chance, share=1.0)
    seconds = home.finish()
    catalog = Catalog(home.path / "catalog.sqlite")
    assert_all_is_right(home, catalog)
    for kill in range(KILLS):
        list(home.embedded())
        home.edit(chance, share=chance.choice([0.12, 0.5]))
        child = home.start()
        time.sleep(chance.uniform(0, seconds))
        child.kill()
        child.communicate()
        assert_every_document_is_whole(home, catalog)
        done = list(home.embedded())
        in_hand = set(done[-1]) if done else set()
        seconds = home.finish()
        again = {text for call in home.embedded() for text in call} & {text for call in done for text in call}
        assert again <= in_hand, f"kill {kill}: finished embeddings were made again"
        assert_all_is_right(home, catalog)
