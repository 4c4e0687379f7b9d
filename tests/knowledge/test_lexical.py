"""Search by words gives what FTS5's own ranking gives, of what a reader may see, in no time."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres import POSTGRES, new_schema

from knowledge import lexical
from knowledge.catalog import Catalog
from knowledge.catalog_database import Place
from knowledge.documents import EVERYONE, Passage, Reader
from knowledge.lexical import LexicalIndex
from knowledge.records import DocumentVersion
from knowledge.terms import stem, tokens

WORDS = ("tea", "cake", "returns", "returned", "invoice", "Café", "naïve", "logic", "running", "the", "E1042")
PRINCIPALS = (EVERYONE, "group:a", "group:b", "group:c")
DOCUMENTS = 150

BY_FTS5 = """
    SELECT passages_fts.rowid, -bm25(passages_fts) AS score FROM passages_fts
    JOIN passages ON passages.id = passages_fts.rowid JOIN documents ON documents.id = passages.document_id
    WHERE passages_fts MATCH ? AND documents.audience_id IN (SELECT value FROM json_each(?))
    ORDER BY score DESC, passages_fts.rowid LIMIT ?
"""


def version(uri: str, *texts: str, title: str = "", heading: str = "") -> DocumentVersion:
    passages = tuple(Passage(heading, text, 0, len(text)) for text in texts)
    hashes = tuple(sha256(text.encode()).hexdigest() for text in texts)
    return DocumentVersion(uri, title, None, "1", uri, "f", None, passages, hashes)


def written(chance: random.Random, uri: str) -> DocumentVersion:
    """Passages of few words and of hundreds, some of the same words in title and heading."""
    lengths = chance.choices((1, 3, 20, 300), k=chance.randint(0, 4))
    texts = [" ".join(chance.choices(WORDS, k=length)) for length in lengths]
    return version(uri, *texts, title=chance.choice(WORDS), heading=" ".join(chance.choices(WORDS, k=2)))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """A catalog that has been written, changed and removed from."""
    chance = random.Random(7)
    with Catalog(tmp_path_factory.mktemp("library") / "catalog.sqlite") as catalog:
        for number in range(DOCUMENTS):
            source = chance.choice(PRINCIPALS)
            catalog.publish(source, frozenset({source}), [written(chance, str(number % 90))])
        catalog.publish(EVERYONE, frozenset({EVERYONE}), (), [str(number) for number in range(10)])
        yield catalog


@pytest.fixture
def catalog(catalog_at: Place) -> Iterator[Catalog]:
    with Catalog(catalog_at) as opened:
        yield opened


@pytest.fixture
def library_to_change(catalog: Catalog) -> Catalog:
    texts = [version("a", "tea"), version("b", "tea and cake")]
    catalog.publish("wiki", frozenset({EVERYONE}), texts)
    return catalog


def by_fts5(
    catalog: Catalog, words: Sequence[str], limit: int, audiences: Sequence[int]
) -> list[tuple[int, float]]:
    match = " OR ".join(f'"{word}"' for word in words)
    with closing(sqlite3.connect(catalog.place)) as connection:
        return connection.execute(BY_FTS5, (match, json.dumps(list(audiences)), limit)).fetchall()


def stems_of(words: Sequence[str]) -> list[str]:
    return [s for word in words for s in stem(tokens(word))]


@settings(max_examples=300, deadline=None)
@given(
    words=st.lists(st.sampled_from(("absent", *WORDS)), min_size=1, max_size=6, unique=True),
    principals=st.frozensets(st.sampled_from(PRINCIPALS)),
    limit=st.integers(1, 300),
)
def test_any_question_of_any_reader_finds_what_fts5_finds(
    library: Catalog, words: list[str], principals: frozenset[str], limit: int
) -> None:
    audiences = library.readable_audiences(Reader((principals,)))
    found = LexicalIndex(library).query(stems_of(words), limit, audiences)
    expected = by_fts5(library, words, limit, audiences)
    assert [passage for passage, _ in found] == [passage for passage, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-9)


def test_a_word_that_nearly_all_passages_hold_still_counts(catalog: Catalog) -> None:
    catalog.publish("wiki", frozenset({EVERYONE}), [version("a", "tea", "tea and tea", "tea with cake")])
    found = LexicalIndex(catalog).query(["tea"], 10, [1])
    assert {passage for passage, _ in found} == {1, 2, 3}
    assert all(score > 0 for _, score in found)


def test_what_changes_is_seen_by_the_next_question(catalog: Catalog) -> None:
    index = LexicalIndex(catalog)
    catalog.publish("wiki", frozenset({EVERYONE}), [version("a", "tea"), version("b", "cake")])
    assert index.document_frequencies(["tea", "cake", "milk"]) == {"tea": 1, "cake": 1}
    catalog.publish("wiki", frozenset({EVERYONE}), [version("a", "milk")], ["b"])
    assert index.document_frequencies(["tea", "cake", "milk"]) == {"milk": 1}
    assert [passage for passage, _ in index.query(["tea", "milk"], 10, [1])] == [3]
    assert index.passage_count() == 1


def test_a_source_that_is_closed_is_closed_for_the_next_question(catalog: Catalog) -> None:
    index = LexicalIndex(catalog)
    catalog.publish("wiki", frozenset({EVERYONE}), [version("a", "tea")])
    assert index.query(["tea"], 10, [1])
    catalog.set_audience("wiki", frozenset({"group:a"}))
    assert index.query(["tea"], 10, [1]) == []


def test_an_empty_index_finds_nothing(catalog: Catalog) -> None:
    index = LexicalIndex(catalog)
    assert (index.query(["tea"], 10, [1]), index.document_frequencies(["tea"])) == ([], {})


def test_nothing_is_found_where_nothing_is_asked_for(library: Catalog) -> None:
    index = LexicalIndex(library)
    assert index.query([], 10, [1]) == index.query(["tea"], 0, [1]) == index.query(["tea"], 10, []) == []


DEEDS = ("publish", "publish", "remove", "close", "forget", "fill")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), most_new=st.sampled_from((0, 3, 2000)), ahead=st.booleans())
def test_after_any_changes_every_question_finds_what_fts5_finds(
    seed: int, most_new: int, ahead: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance = random.Random(seed)
    path = tmp_path_factory.mktemp("changing") / "catalog.sqlite"
    with pytest.MonkeyPatch.context() as patch, Catalog(path) as changing:
        patch.setattr(lexical, "_MOST_NEW", most_new)
        patch.setattr(lexical, "_FREQUENT", 1)
        index = LexicalIndex(changing)
        for step in range(8):
            changed(changing, chance, chance.choice(DEEDS))
            if ahead and step == 2:
                index.prefetch()
            words = chance.sample(("absent", *WORDS), k=3)
            reader = Reader((frozenset(chance.sample(PRINCIPALS, k=3)),))
            audiences = changing.readable_audiences(reader)
            expected = by_fts5(changing, words, 50, audiences)
            found = index.query(stems_of(words), 50, audiences)
            assert [passage for passage, _ in found] == [passage for passage, _ in expected]
            assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-9)
            every = stem(tokens(" ".join(("absent", *WORDS))))
            assert index.occurring(every) == changing.document_frequencies(every).keys()


@pytest.mark.skipif(not POSTGRES, reason="no TEST_POSTGRES_URL")
@pytest.mark.parametrize("seed", (1, 2))
def test_postgres_finds_what_an_sqlite_file_finds_with_the_same_scores(seed: int, tmp_path: Path) -> None:
    with new_schema() as place, Catalog(tmp_path / "catalog.sqlite") as one, Catalog(place) as other:
        indexes = [(catalog, LexicalIndex(catalog)) for catalog in (one, other)]
        for step in range(8):
            said = []
            for catalog, index in indexes:
                chance = random.Random(f"{seed} {step}")
                changed(catalog, chance, chance.choice(DEEDS))
                if step == 2 * seed:
                    index.prefetch()
                words = chance.sample(("absent", *WORDS), k=4)
                audiences = catalog.readable_audiences(Reader((frozenset(chance.sample(PRINCIPALS, k=3)),)))
                every = stem(tokens(" ".join(("absent", *WORDS))))
                said.append(
                    (
                        index.query(stems_of(words), 50, audiences),
                        index.occurring(every),
                        index.document_frequencies(every),
                        catalog.document_frequencies(every),
                        LexicalIndex(catalog).query(stems_of(words), 50, audiences),
                    )
                )
            assert said[0] == said[1]


def changed(catalog: Catalog, chance: random.Random, deed: str) -> None:
    """Something that a sync or an admin does."""
    source, uri = chance.choice(PRINCIPALS), str(chance.randrange(6))
    if deed == "publish":
        catalog.publish(source, frozenset({source}), [written(chance, uri)])
    elif deed == "remove":
        catalog.publish(source, frozenset({source}), (), [uri])
    elif deed == "close":
        catalog.set_audience(source, frozenset({chance.choice(PRINCIPALS)}))
    elif deed == "forget":
        catalog.forget_source(source)
    else:
        catalog.publish(source, frozenset({source}), [written(chance, str(number)) for number in range(6)])


def test_what_was_read_of_a_word_outlives_a_change(
    library_to_change: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = LexicalIndex(library_to_change)
    assert index.document_frequencies(["tea", "cake"]) == {"tea": 2, "cake": 1}
    library_to_change.publish("wiki", frozenset({EVERYONE}), [version("c", "green tea")], ["a"])
    monkeypatch.setattr(index._full_text, "occurrences", never_read)
    assert index.document_frequencies(["tea", "cake"]) == {"tea": 2, "cake": 1}
    assert {passage for passage, _ in index.query(["tea"], 10, [1])} == {2, 3}


def test_frequent_words_are_read_before_anybody_asks(
    library_to_change: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "_FREQUENT", 2)
    index = LexicalIndex(library_to_change)
    index.prefetch()
    monkeypatch.setattr(index._full_text, "occurrences", never_read)
    assert len(index.query(["tea"], 10, [1])) == 2


def test_a_new_word_is_known_after_the_vocabulary_was_read(
    library_to_change: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "_FREQUENT", 2)
    index = LexicalIndex(library_to_change)
    index.prefetch()
    library_to_change.publish("wiki", frozenset({EVERYONE}), [version("c", "milk")])
    assert index.occurring(["milk", "cake", "absent"]) == {"milk", "cake"}


def test_a_small_index_is_not_read_ahead(library_to_change: Catalog) -> None:
    index = LexicalIndex(library_to_change)
    index.prefetch()
    assert index._held is not None
    assert not index._held.postings


def test_reading_ahead_leaves_half_of_the_memory(library: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexical, "_FREQUENT", 1)
    monkeypatch.setattr(lexical, "_MOST_POSTINGS", 500)
    index = LexicalIndex(library)
    index.prefetch()
    assert index._held is not None
    assert 0 < sum(len(postings.rows) for postings in index._held.postings.values()) <= 250


def test_a_catalog_that_was_put_back_is_read_anew(tmp_path: Path) -> None:
    path, backup = tmp_path / "catalog.sqlite", tmp_path / "backup.sqlite"
    with Catalog(path) as catalog:
        index = LexicalIndex(catalog)
        catalog.publish("wiki", frozenset({EVERYONE}), [version("a", "cake")])
        copied(path, backup)
        catalog.publish("wiki", frozenset({EVERYONE}), [version("b", "tea")])
        assert [passage for passage, _ in index.query(["tea"], 10, [1])] == [2]
        copied(backup, path)
        catalog.publish("wiki", frozenset({EVERYONE}), [version("b", "milk")])
        assert index.query(["tea"], 10, [1]) == []
        assert [passage for passage, _ in index.query(["milk"], 10, [1])] == [2]


def copied(path: Path, other: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(other)) as copy:
        source.backup(copy)


def never_read(*_: object) -> dict[str, object]:
    raise AssertionError("postings were read from the catalog")


def test_words_that_were_not_asked_for_in_a_while_are_let_go(
    library: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "_MOST_POSTINGS", 1)
    index = LexicalIndex(library)
    everyone = library.readable_audiences(Reader((frozenset(PRINCIPALS),)))
    first = index.query(["tea"], 10, everyone)
    index.query(["cake", "logic"], 10, everyone)
    assert index._held is not None
    assert sum(len(postings.rows) for postings in index._held.postings.values()) <= 1
    assert index.query(["tea"], 10, everyone) == first


def test_a_pasted_page_does_not_fill_the_memory(library: Catalog) -> None:
    index = LexicalIndex(library)
    page = [*(f"filler{number}" for number in range(3000)), "tea"]
    assert index.document_frequencies(page) == library.document_frequencies(["tea"])
    assert index._held is None
