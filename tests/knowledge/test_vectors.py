"""Both indexes find the nearest live passages that a reader may see, and a damaged one harms nobody."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from knowledge import arrays
from knowledge.catalog import Catalog
from knowledge.chroma import ChromaVectors
from knowledge.chroma_http import ChromaServer
from knowledge.chroma_server import ServerVectors
from knowledge.documents import Passage
from knowledge.records import DocumentVersion
from knowledge.vectors import ExactVectors, VectorIndex, open_vectors

EVERYONE = frozenset({"everyone"})
STAFF = frozenset({"group:staff"})
MODEL = "directions-1"
DIMENSIONS = 32


def direction(name: str) -> np.ndarray:
    vector = np.random.default_rng(list(name.encode())).normal(size=DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


def publish(
    catalog: Catalog, source: str, uri: str, *names: str, audience: frozenset[str] = EVERYONE
) -> None:
    """Publish passages that are each their own name, which is their own direction."""
    passages = tuple(Passage("", name, 0, len(name)) for name in names)
    catalog.add_embeddings(MODEL, names, np.array([direction(n) for n in names]).reshape(-1, DIMENSIONS))
    catalog.publish(
        source, audience, [DocumentVersion(uri, uri, None, "1", " ".join(names), "f", None, passages, names)]
    )


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog.sqlite")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def chroma(tmp_path: Path, catalog: Catalog, said: list[str]) -> Iterator[ChromaVectors]:
    index = ChromaVectors(tmp_path / "vectors", catalog, MODEL, said.append)
    yield index
    index.close()


@pytest.fixture
def on_server(request: pytest.FixtureRequest, catalog: Catalog) -> Iterator[ServerVectors]:
    server = ChromaServer(request.getfixturevalue("chroma_process").url, "", "CHROMA_TOKEN", 30.0)
    index = ServerVectors(server, uuid4().hex[:12], catalog, MODEL, pytest.fail)
    yield index
    index.discard()
    index.close()
    server.close()


@pytest.fixture(params=["exact", "chroma", pytest.param("on_server", marks=pytest.mark.slow)])
def index(request: pytest.FixtureRequest, catalog: Catalog) -> VectorIndex:
    if request.param == "exact":
        return ExactVectors(catalog, MODEL)
    found: VectorIndex = request.getfixturevalue(request.param)
    return found


def finds(catalog: Catalog, index: VectorIndex, name: str, audiences: tuple[int, ...] = (1,)) -> bool:
    """Whether the passage `name` is the first that is found by its own direction."""
    hits = index.query(direction(name), 1, audiences)
    return bool(hits) and catalog.unfiltered_passages([hits[0][0]])[hits[0][0]].text == name


def chroma_answers(index: ChromaVectors, catalog: Catalog) -> bool:
    """Whether Chroma, not the exact search, holds the present state."""
    return index._opened is not None and index._opened.seal.stamp == catalog.stamp()


def seal(tmp_path: Path) -> dict[str, object]:
    return json.loads((tmp_path / "vectors" / "seal.json").read_text())


def hnsw_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "vectors" / str(seal(tmp_path)["snapshot"])).glob("*/*"))


# What every index does


def test_the_nearest_passages_come_first_with_their_cosine(catalog: Catalog, index: VectorIndex) -> None:
    publish(catalog, "wiki", "a", *names("p", 300))
    index.catch_up()
    matrix = np.array([direction(name) for name in names("p", 300)])
    question = direction("a question")
    hits = index.query(question, 10, [1])
    cosines = matrix @ question
    assert [i for i, _ in hits] == (np.argsort(-cosines)[:10] + 1).tolist()
    assert [score for _, score in hits] == pytest.approx(sorted(cosines, reverse=True)[:10], abs=1e-5)


def test_only_passages_of_the_given_audiences_are_found(catalog: Catalog, index: VectorIndex) -> None:
    publish(catalog, "wiki", "a", *names("open", 40))
    publish(catalog, "hr", "b", *names("secret", 40), audience=STAFF)
    index.catch_up()
    found = {
        audiences: {i for i, _ in index.query(direction("secret7"), 80, audiences)}
        for audiences in [(1,), (2,), (1, 2)]
    }
    assert found == {(1,): set(range(1, 41)), (2,): set(range(41, 81)), (1, 2): set(range(1, 81))}


def test_what_others_may_not_read_does_not_push_out_what_one_may(
    catalog: Catalog, index: VectorIndex
) -> None:
    publish(catalog, "hr", "b", *["same words"] * 50, audience=STAFF)
    publish(catalog, "wiki", "a", "something else")
    index.catch_up()
    assert [i for i, _ in index.query(direction("same words"), 5, [2])] == [51]


def test_a_reader_of_nothing_finds_nothing(catalog: Catalog, index: VectorIndex) -> None:
    publish(catalog, "wiki", "a", "open")
    index.catch_up()
    assert index.query(direction("open"), 5, []) == []


def test_an_empty_index_finds_nothing(index: VectorIndex) -> None:
    index.catch_up()
    assert index.query(direction("open"), 5, [1]) == []


def test_equal_passages_are_ordered_by_id(catalog: Catalog, index: VectorIndex) -> None:
    publish(catalog, "wiki", "a", *["same"] * 3, "other")
    index.catch_up()
    assert [i for i, _ in index.query(direction("same"), 4, [1])] == [1, 2, 3, 4]


@pytest.mark.parametrize("catches_up", [True, False])
def test_a_change_is_seen_by_the_next_query(catalog: Catalog, index: VectorIndex, catches_up: bool) -> None:
    publish(catalog, "wiki", "a", *names("p", 20))
    index.catch_up()
    assert finds(catalog, index, "p3")
    publish(catalog, "wiki", "a", *names("p", 19), "new")
    if catches_up:
        index.catch_up()
    assert finds(catalog, index, "new")
    assert 20 not in {i for i, _ in index.query(direction("p19"), 20, [1])}


def test_a_source_that_is_closed_to_some_is_closed_to_them_in_the_index(
    catalog: Catalog, index: VectorIndex
) -> None:
    publish(catalog, "wiki", "a", *names("p", 20))
    index.catch_up()
    catalog.set_audience("wiki", STAFF)
    index.catch_up()
    assert index.query(direction("p3"), 5, [1]) == []
    assert finds(catalog, index, "p3", (2,))


def test_embeddings_of_another_model_are_not_found(catalog: Catalog, index: VectorIndex) -> None:
    publish(catalog, "wiki", "a", "open")
    catalog.add_embeddings("another", ["stranger"], np.ones((1, 8), dtype=np.float32))
    catalog.publish(
        "wiki",
        EVERYONE,
        [DocumentVersion("b", "b", None, "1", "h", "f", None, (Passage("", "x", 0, 1),), ("stranger",))],
    )
    index.catch_up()
    assert [i for i, _ in index.query(direction("open"), 5, [1])] == [1]


# What exact search does with a screen


class Searched:
    """A catalog of random directions, searched with a screen and by a plain product."""

    def __init__(self, catalog: Catalog, dimensions: int = DIMENSIONS) -> None:
        self.catalog = catalog
        self.index = ExactVectors(catalog, MODEL, unscreened=40)
        self.chance = np.random.default_rng(dimensions)
        self.dimensions = dimensions

    def publish(self, uri: str, vectors: np.ndarray, audience: frozenset[str] = EVERYONE) -> None:
        hashes = [row.tobytes().hex() for row in vectors]
        passages = tuple(Passage("", str(place), 0, 1) for place in range(len(vectors)))
        self.catalog.add_embeddings(MODEL, hashes, vectors)
        version = DocumentVersion(uri, uri, None, "1", "h", "f", None, passages, tuple(hashes))
        self.catalog.publish(str(sorted(audience)), audience, [version])

    def unit(self, count: int) -> np.ndarray:
        vectors = self.chance.normal(size=(count, self.dimensions)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def check(self, audiences: tuple[int, ...] = (1, 2)) -> None:
        with self.catalog.snapshot() as connection:
            live, audience = arrays.audiences_of_passages(connection)
            ids, vectors = arrays.vectors_of(connection, MODEL, live[np.isin(audience, audiences)])
        for question in [*self.unit(5), *vectors[:5]]:
            cosines = vectors @ question
            ranked = np.lexsort((ids, -np.vecdot(vectors, question)))
            for limit in (1, 10, 50, len(ids) + 1):
                hits = self.index.query(question, limit, audiences)
                assert [i for i, _ in hits] == ids[ranked[:limit]].tolist()
                assert [cosine for _, cosine in hits] == pytest.approx(cosines[ranked[:limit]], abs=1e-6)


@pytest.mark.parametrize("dimensions", [1, 3, 32, 384])
@pytest.mark.parametrize("count", [1, 39, 40, 600])
def test_a_screened_search_finds_what_a_plain_product_finds(
    catalog: Catalog, count: int, dimensions: int
) -> None:
    searched = Searched(catalog, dimensions)
    searched.publish("a", searched.unit(count))
    searched.check()


def test_a_screened_search_of_equal_and_zero_vectors_is_exact(catalog: Catalog) -> None:
    searched = Searched(catalog)
    few = np.vstack([searched.unit(3), np.zeros((1, DIMENSIONS), dtype=np.float32)])
    searched.publish("a", few[np.arange(300) % 4])
    searched.check()


def test_a_screened_search_keeps_to_the_audiences(catalog: Catalog) -> None:
    searched = Searched(catalog)
    searched.publish("a", searched.unit(100))
    searched.publish("b", searched.unit(100), STAFF)
    for audiences in [(1,), (2,), (1, 2)]:
        searched.check(audiences)


def test_a_screened_search_stays_exact_through_changes(catalog: Catalog) -> None:
    searched = Searched(catalog)
    sizes = [200, 10, 25, 30, 90, 5, 0, 1, 60]
    for step, size in enumerate(sizes):
        searched.publish(f"document {step % 4}", searched.unit(size))
        searched.check()


def test_small_changes_leave_the_screen_as_it_is(catalog: Catalog) -> None:
    searched = Searched(catalog)
    screens = []
    for uri, size in [("a", 200), ("b", 39), ("b", 38), ("c", 2)]:
        searched.publish(uri, searched.unit(size))
        screens.append(searched.index._current().screen)
    assert [screen is screens[0] for screen in screens] == [True, True, True, False]


def test_a_screen_of_mostly_deleted_passages_is_let_go(catalog: Catalog) -> None:
    searched = Searched(catalog)
    searched.publish("a", searched.unit(200))
    searched.publish("b", searched.unit(30))
    searched.check()
    searched.publish("a", searched.unit(0))
    searched.check()
    assert searched.index._current().screen is None


# What Chroma's snapshots do


def test_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from knowledge.catalog import Catalog; "
        "from knowledge.vectors import open_vectors; home = Path(sys.argv[1]); "
        "open_vectors(home / 'vectors', Catalog(home / 'c.sqlite'), 'm', print, 0).close(); "
        "print('chromadb' in sys.modules, (home / 'vectors').exists())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert run.stdout == "False False\n"


def test_an_index_that_is_current_is_left_alone(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors
) -> None:
    publish(catalog, "wiki", "a", *names("p", 20))
    chroma.catch_up()
    before = seal(tmp_path)
    chroma.catch_up()
    assert seal(tmp_path) == before


def test_small_changes_are_made_on_a_copy_of_the_old_snapshot(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors
) -> None:
    publish(catalog, "wiki", "a", *names("p", 100))
    publish(catalog, "wiki", "b", "x", "y")
    chroma.catch_up()
    publish(catalog, "wiki", "b", "x", "z")
    chroma.catch_up()
    assert (seal(tmp_path)["built"], seal(tmp_path)["churned"]) == (102, 1)
    assert all(finds(catalog, chroma, name) for name in [*names("p", 100), "x", "z"])


def test_after_much_churn_the_index_is_built_anew(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors
) -> None:
    for generation in range(5):
        publish(catalog, "wiki", "a", *names("p", 90), *names(f"g{generation}-", 10))
        chroma.catch_up()
    assert (seal(tmp_path)["built"], seal(tmp_path)["churned"]) == (100, 0)


def test_only_the_sealed_snapshot_stays_on_disk(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors
) -> None:
    (tmp_path / "vectors" / "snapshot-left-by-a-killed-sync").mkdir(parents=True)
    for generation in range(3):
        publish(catalog, "wiki", "a", *names("p", 90), str(generation))
        chroma.catch_up()
    assert sorted(entry.name for entry in (tmp_path / "vectors").iterdir()) == [
        "seal.json",
        seal(tmp_path)["snapshot"],
    ]


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [Path.unlink, _cut, _flip])
def test_damage_is_noticed_before_chroma_opens_it(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors, said: list[str], damage: Callable[[Path], None]
) -> None:
    publish(catalog, "wiki", "a", *names("p", 1200))
    chroma.catch_up()
    damage(next(file for file in hnsw_files(tmp_path) if file.name == "data_level0.bin"))
    assert all(finds(catalog, chroma, name) for name in names("p", 1200)[::100])
    assert said == [
        "The vector index is not usable, its files are not those that were written: "
        "exact search serves until a sync rebuilds it."
    ]


@pytest.mark.parametrize("name", ["chroma.sqlite3", "seal.json"])
@pytest.mark.parametrize("damage", [Path.unlink, _cut, lambda file: file.write_bytes(bytes(5000))])
def test_a_damaged_database_or_seal_is_survived_and_repaired(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors, name: str, damage: Callable[[Path], None]
) -> None:
    publish(catalog, "wiki", "a", *names("p", 50))
    chroma.catch_up()
    damage(next((tmp_path / "vectors").rglob(name)))
    assert all(finds(catalog, chroma, passage) for passage in names("p", 50))
    publish(catalog, "wiki", "b", "new")
    chroma.catch_up()
    assert all(finds(catalog, chroma, passage) for passage in [*names("p", 50), "new"])
    assert chroma_answers(chroma, catalog)


def test_an_index_that_chroma_cannot_open_is_no_reason_not_to_answer(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors, said: list[str]
) -> None:
    publish(catalog, "wiki", "a", "words")
    chroma.catch_up()
    with sqlite3.connect(next((tmp_path / "vectors").rglob("chroma.sqlite3"))) as connection:
        connection.execute("UPDATE embeddings_queue SET operation = 77")  # a Rust panic in 1.5.9
    connection.close()
    assert finds(catalog, chroma, "words")
    assert said and said[0].startswith("The vector index is not usable, Chroma cannot open it")


def test_damage_that_no_reader_met_is_repaired(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors
) -> None:
    publish(catalog, "wiki", "a", *names("p", 50))
    chroma.catch_up()
    next((tmp_path / "vectors").rglob("chroma.sqlite3")).write_bytes(b"\0" * 5000)
    publish(catalog, "wiki", "b", "new")
    chroma.catch_up()
    assert finds(catalog, chroma, "new")
    assert chroma_answers(chroma, catalog)


def test_a_damaged_index_is_rebuilt_by_the_next_sync(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors, said: list[str]
) -> None:
    publish(catalog, "wiki", "a", *names("p", 1200))
    chroma.catch_up()
    _flip(next(file for file in hnsw_files(tmp_path) if file.name == "data_level0.bin"))
    publish(catalog, "wiki", "b", "new")
    chroma.catch_up()
    assert said == ["The vector index is damaged and is rebuilt from the catalog; nothing is embedded again."]
    assert seal(tmp_path)["built"] == 1201
    assert all(finds(catalog, chroma, name) for name in [*names("p", 1200)[::100], "new"])


def test_an_index_of_another_catalog_is_not_believed(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors
) -> None:
    publish(catalog, "wiki", "a", "old words")
    chroma.catch_up()
    other = Catalog(tmp_path / "other.sqlite")
    publish(other, "wiki", "a", "other words")
    index = ChromaVectors(tmp_path / "vectors", other, MODEL, print)
    assert finds(other, index, "other words")
    index.catch_up()
    assert finds(other, index, "other words")
    index.close()


def test_another_model_gets_its_own_index(tmp_path: Path, catalog: Catalog, chroma: ChromaVectors) -> None:
    publish(catalog, "wiki", "a", "words")
    chroma.catch_up()
    catalog.add_embeddings("another", ["words"], np.eye(1, 8, dtype=np.float32))
    index = ChromaVectors(tmp_path / "vectors", catalog, "another", print)
    index.catch_up()
    assert index.query(np.eye(1, 8, dtype=np.float32)[0], 1, [1]) == [(1, pytest.approx(1.0))]
    assert seal(tmp_path)["model"] == "another"
    index.close()


def test_a_failing_disk_leaves_the_old_index_and_says_so(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors, said: list[str]
) -> None:
    publish(catalog, "wiki", "a", "words")
    (tmp_path / "vectors").write_text("a file where the folder should be")
    chroma.catch_up()
    assert finds(catalog, chroma, "words")
    assert said[0].startswith("The vector index could not be written, exact search serves meanwhile:")


def test_an_open_reader_sees_what_another_process_wrote(
    tmp_path: Path, catalog: Catalog, chroma: ChromaVectors
) -> None:
    publish(catalog, "wiki", "a", *names("p", 30))
    chroma.catch_up()
    assert finds(catalog, chroma, "p3")
    publish(catalog, "wiki", "b", "new")
    program = (
        "import sys; from pathlib import Path; from knowledge.catalog import Catalog; "
        "from knowledge.chroma import ChromaVectors; home = Path(sys.argv[1]); "
        "ChromaVectors(home / 'vectors', Catalog(home / 'catalog.sqlite'), sys.argv[2], print).catch_up()"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path), MODEL], check=True)
    assert finds(catalog, chroma, "new")
    assert chroma_answers(chroma, catalog)


def test_a_small_index_is_searched_exactly_and_kept_nowhere(
    tmp_path: Path, catalog: Catalog, said: list[str]
) -> None:
    publish(catalog, "wiki", "a", *names("p", 30))
    ChromaVectors(tmp_path / "vectors", catalog, MODEL, said.append, least=30).catch_up()
    assert seal(tmp_path)["size"] == 30
    index = ChromaVectors(tmp_path / "vectors", catalog, MODEL, said.append, least=31)
    index.catch_up()
    assert list((tmp_path / "vectors").iterdir()) == []
    assert finds(catalog, index, "p3")
    assert said == []


def test_open_vectors_gives_chroma_where_it_is_installed(tmp_path: Path, catalog: Catalog) -> None:
    assert isinstance(open_vectors(tmp_path / "vectors", catalog, MODEL, print, 0), ChromaVectors)
