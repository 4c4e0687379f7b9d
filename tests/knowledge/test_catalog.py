"""What is published is live at once and as a whole; searches see only what their audience may read."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from index_standins import first_text
from sqlalchemy import Engine, event

from knowledge.catalog import Catalog
from knowledge.catalog_database import Place
from knowledge.documents import KnowledgeError, Passage, Reader
from knowledge.lexical import LexicalIndex
from knowledge.records import DocumentFailure, DocumentVersion
from knowledge.terms import stem

EVERYONE = frozenset({"everyone"})


@pytest.fixture
def catalog(catalog_at: Place) -> Iterator[Catalog]:
    with Catalog(catalog_at) as opened:
        yield opened


def version(uri: str, *texts: str, title: str = "Handbook", mark: str = "1") -> DocumentVersion:
    passages = tuple(Passage("Rules", text, 10 * n, 10 * n + 5) for n, text in enumerate(texts))
    hashes = tuple(hashlib.sha256(repr((title, text)).encode()).hexdigest() for text in texts)
    return DocumentVersion(
        uri, title, f"https://x/{uri}", mark, f"hash of {texts}", "c e", None, passages, hashes
    )


def audiences_of(catalog: Catalog, *principals: str) -> tuple[int, ...]:
    return catalog.readable_audiences(Reader((frozenset(principals),)))


def matching(
    catalog: Catalog, word: str, audiences: Sequence[int], limit: int = 10
) -> list[tuple[int, float]]:
    return LexicalIndex(catalog).query(stem([word]), limit, audiences)


def found(catalog: Catalog, word: str, *principals: str) -> list[str]:
    hits = matching(catalog, word, audiences_of(catalog, *(principals or ("everyone",))))
    stored = catalog.unfiltered_passages([passage_id for passage_id, _ in hits])
    return [stored[passage_id].text for passage_id, _ in hits]


def test_a_published_passage_is_found_by_its_stems(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Opened items are returned within thirty days.")])
    assert found(catalog, "return") == ["Opened items are returned within thirty days."]


def test_a_search_ignores_accents(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "The café opens at nine.")])
    assert found(catalog, "cafe") == ["The café opens at nine."]


def test_the_new_version_replaces_the_old_one(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Thirty days.", "Call us.")])
    catalog.publish("wiki", EVERYONE, [version("a", "Sixty days.", "Call us.", mark="2")])
    assert (found(catalog, "thirty"), found(catalog, "sixty")) == ([], ["Sixty days."])


def test_a_removed_document_leaves_no_trace_in_the_lexical_index(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Thirty days.")])
    catalog.publish("wiki", EVERYONE, [], removed=["a"])
    assert (catalog.document_frequencies(["thirti"]), catalog.passage_count()) == ({}, 0)


def test_a_passage_that_stays_keeps_its_id_when_the_document_changes(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Thirty days.", "Call us.")])
    before = {p.text: i for i, p in catalog.unfiltered_passages(range(1, 10)).items()}
    catalog.publish("wiki", EVERYONE, [version("a", "Sixty days.", "Call us.")])
    after = {p.text: (i, p.ordinal) for i, p in catalog.unfiltered_passages(range(1, 10)).items()}
    assert after == {"Sixty days.": (3, 0), "Call us.": (before["Call us."], 1)}


def test_under_a_new_title_every_passage_is_found_by_that_title(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Call us.", title="Returns")])
    catalog.publish("wiki", EVERYONE, [version("a", "Call us.", title="Refunds")])
    assert (found(catalog, "returns"), found(catalog, "refunds")) == ([], ["Call us."])


def test_equal_paragraphs_of_one_document_are_two_passages(catalog: Catalog) -> None:
    for _ in range(2):
        catalog.publish("wiki", EVERYONE, [version("a", "Call us.", "Call us.")])
    assert catalog.passage_count() == 2


def test_an_id_is_never_given_to_another_passage(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Thirty days.")])
    catalog.publish("wiki", EVERYONE, [], removed=["a"])
    catalog.publish("wiki", EVERYONE, [version("b", "Sixty days.")])
    assert list(catalog.unfiltered_passages(range(1, 10))) == [2]


def test_a_publication_that_fails_changes_nothing(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Thirty days.")])
    broken = version("b", "\ud800 is no text")
    stamp = catalog.stamp()
    with pytest.raises(UnicodeEncodeError):
        catalog.publish("wiki", EVERYONE, [version("a", "Sixty days."), broken], removed=["a"])
    assert (found(catalog, "days"), catalog.stamp()) == (["Thirty days."], stamp)


def test_every_publication_is_one_generation(catalog: Catalog) -> None:
    assert catalog.generation() == 0
    catalog.publish("wiki", EVERYONE, [version("a", "One."), version("b", "Two.")])
    catalog.publish("wiki", EVERYONE, [], removed=["a"])
    catalog.publish("wiki", EVERYONE, [])
    assert catalog.generation() == 2


def test_a_note_that_nothing_changed_is_no_generation(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "One.")])
    catalog.mark("wiki", {"a": "7"})
    assert (catalog.known("wiki")["a"].version, catalog.generation()) == ("7", 1)


def test_a_catalog_knows_its_own_past_but_not_that_of_another(tmp_path: Path) -> None:
    one, other = Catalog(tmp_path / "one.sqlite"), Catalog(tmp_path / "other.sqlite")
    for catalog in (one, other):
        catalog.publish("wiki", EVERYONE, [version("a", "One.")])
    past = one.stamp()
    one.publish("wiki", EVERYONE, [version("a", "Two.")])
    assert (one.has_been(past), other.has_been(past)) == (True, False)


def test_a_stored_passage_has_all_that_a_citation_needs(catalog: Catalog) -> None:
    modified = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    one = version("a", "Thirty days.")
    dated = DocumentVersion(
        one.uri,
        one.title,
        one.url,
        one.version,
        one.content_hash,
        "c",
        modified,
        one.passages,
        one.text_hashes,
    )
    catalog.publish("wiki", EVERYONE, [dated])
    passage = catalog.unfiltered_passages([1])[1]
    assert (passage.source, passage.uri, passage.url, passage.title) == (
        "wiki",
        "a",
        "https://x/a",
        "Handbook",
    )
    assert (passage.heading, passage.text, passage.start, passage.end) == ("Rules", "Thirty days.", 0, 5)
    assert (passage.version, passage.modified_at) == ("1", modified)
    assert datetime.now(UTC) - passage.indexed_at < timedelta(minutes=5)


def test_a_document_is_readable_when_its_audience_meets_every_group_of_readers(catalog: Catalog) -> None:
    catalog.publish("all", EVERYONE, [version("a", "Lunch is free.")])
    catalog.publish("hr", frozenset({"group:hr", "user:boss"}), [version("a", "Lunch costs us ten.")])
    boss, hr = frozenset({"everyone", "user:boss"}), frozenset({"everyone", "group:hr"})

    def lunches(*groups: frozenset[str]) -> int:
        return len(matching(catalog, "lunch", catalog.readable_audiences(Reader(groups))))

    assert (lunches(boss), lunches(boss, hr), lunches(boss, EVERYONE), lunches()) == (2, 2, 1, 0)


def test_what_others_may_not_read_does_not_push_out_what_they_may(catalog: Catalog) -> None:
    catalog.publish("hr", frozenset({"group:hr"}), [version(f"s{n}", f"lunch lunch {n}") for n in range(20)])
    catalog.publish("all", EVERYONE, [version("a", "There is lunch, among much else, in the long hall.")])
    assert matching(catalog, "lunch", audiences_of(catalog, "everyone"), 1)[0][0] == 21


def test_a_source_that_is_closed_to_some_is_closed_at_once(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Thirty days.")])
    catalog.set_audience("wiki", frozenset({"group:hr"}))
    assert (found(catalog, "thirty"), found(catalog, "thirty", "group:hr")) == ([], ["Thirty days."])
    assert catalog.generation() == 2


def test_document_frequencies_count_passages_by_stem(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "Returns are returned.", "Return it.", "No.")])
    assert catalog.document_frequencies(["return", "no", "absent"]) == {"return": 2, "no": 1}


def test_embeddings_are_found_by_the_hash_of_the_text(catalog: Catalog) -> None:
    one, other = version("a", "One."), version("b", "Two.")
    catalog.publish("wiki", EVERYONE, [one, other])
    catalog.add_embeddings("m", other.text_hashes, np.array([[0.6, 0.8]], dtype=np.float32))
    assert catalog.without_embedding("m", {*one.text_hashes, *other.text_hashes}) == set(one.text_hashes)
    assert catalog.live("m")[0].tolist() == [2]
    ids, vectors = catalog.vectors_of("m", [1, 2, 3])
    assert (ids.tolist(), vectors.tolist()) == ([2], [[np.float32(0.6), np.float32(0.8)]])


def test_pruning_keeps_what_is_live_and_what_no_newer_model_has(catalog: Catalog) -> None:
    live, dead, waiting = version("a", "One."), version("b", "Two."), version("c", "Three.")
    catalog.publish("wiki", EVERYONE, [live, waiting])
    unit = np.ones((1, 1), dtype=np.float32)
    for model, document in (("old", live), ("old", waiting), ("new", live), ("new", dead)):
        catalog.add_embeddings(model, document.text_hashes, unit)
    catalog.prune_embeddings("new")
    assert catalog.live("old")[0].tolist() == [2]
    assert catalog.live("new")[0].tolist() == [1]
    assert catalog.without_embedding("new", dead.text_hashes) == set(dead.text_hashes)


def test_lists_may_be_longer_than_sqlite_takes_parameters(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", *(f"text {n}" for n in range(3)))])
    assert len(catalog.unfiltered_passages(range(50_000))) == 3
    assert catalog.document_frequencies([f"w{n}" for n in range(50_000)] + ["text"]) == {"text": 3}


def test_counts_are_kept_by_source(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "One.", "Two."), version("empty")])
    catalog.publish("drive", EVERYONE, [version("a", "One.")])
    counts = catalog.counts()
    assert (counts.documents, counts.passages) == (3, 3)
    assert counts.by_source == {"drive": (1, 1), "wiki": (2, 2)}


def test_a_source_is_forgotten_with_all_that_is_its_own(catalog: Catalog) -> None:
    for source in ("wiki", "drive"):
        catalog.publish(source, EVERYONE, [version("a", "One.")])
        catalog.add_failures(source, [DocumentFailure("b", "1", "broken", datetime.now(UTC))])
        catalog.end_sync(catalog.begin_sync(source), "complete", {"added": 1})
    catalog.forget_source("wiki")
    assert catalog.sources_seen() == ("drive",)
    assert (catalog.documents("wiki"), catalog.failures("wiki")) == ((), ())
    assert (len(catalog.documents("drive")), len(catalog.failures("drive"))) == (1, 1)


def test_a_failure_is_forgotten_when_the_document_is_published(catalog: Catalog) -> None:
    catalog.add_failures("wiki", [DocumentFailure("a", "1", "broken", datetime.now(UTC))])
    catalog.publish("wiki", EVERYONE, [version("a", "One.", mark="2")])
    assert catalog.failures("wiki") == ()


def test_the_last_run_of_each_source_is_remembered(catalog: Catalog) -> None:
    catalog.begin_sync("wiki")
    catalog.end_sync(catalog.begin_sync("wiki"), "complete", {"added": 3})
    catalog.begin_sync("drive")
    runs = catalog.last_syncs()
    assert (runs["wiki"].outcome, runs["wiki"].counts) == ("complete", {"added": 3})
    assert (runs["drive"].outcome, runs["drive"].finished_at) == ("running", None)


def test_a_run_that_never_ended_was_interrupted(catalog: Catalog) -> None:
    catalog.begin_sync("wiki")
    catalog.begin_sync("drive")
    catalog.begin_sync("wiki")
    catalog.end_sync(catalog.begin_sync("wiki"), "complete", {})
    assert catalog.running() == ("drive",)


def test_threads_read_whole_publications_while_one_writes(catalog: Catalog) -> None:
    texts = [[f"round {n} part {part}" for part in range(5)] for n in range(20)]
    catalog.publish("wiki", EVERYONE, [version("a", *texts[0])])
    everyone, mixtures, done = audiences_of(catalog, "everyone"), [], threading.Event()

    def read() -> None:
        index = LexicalIndex(catalog)
        while not done.is_set():
            hits = index.query(["round"], 50, everyone)
            if len(hits) != 5:
                mixtures.append(hits)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n, parts in enumerate(texts[1:]):
        catalog.publish("wiki", EVERYONE, [version("a", *parts, mark=str(n))])
    done.set()
    for reader in readers:
        reader.join()
    assert mixtures == []


def test_another_process_sees_what_was_published(catalog: Catalog) -> None:
    catalog.publish("wiki", EVERYONE, [version("a", "One.")])
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        assert other.submit(first_text, catalog.place).result() == "One."


def test_a_full_disk_is_one_clear_line_and_the_old_index_stands(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with Catalog(path) as catalog:
        catalog.publish("wiki", EVERYONE, [version("a", "One.")])

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")

    event.listen(Engine, "connect", limit)
    try:
        small = Catalog(path)
        with pytest.raises(KnowledgeError, match=r"No space left .*catalog\.sqlite.*free some space"):
            small.publish("wiki", EVERYONE, [version("a", "Two. " * 20_000)])
        assert found(small, "one") == ["One."]
    finally:
        event.remove(Engine, "connect", limit)


def test_a_file_that_is_no_catalog_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(KnowledgeError, match=r"catalog\.sqlite is damaged.*move it away and sync again"):
        Catalog(path)


def test_a_passage_leads_to_its_line_where_the_source_tells_how(catalog: Catalog) -> None:
    passages = (Passage("", "one", 0, 3, line=7), Passage("", "two", 5, 8))
    anchored = replace(version("a", "one", "two"), passages=passages, line_anchor="?plain=1#L{line}")
    catalog.publish("wiki", EVERYONE, [anchored, replace(anchored, uri="b", line_anchor=None)])
    urls = [[passage.url for passage in catalog.passages_of("wiki", uri)] for uri in "ab"]
    assert urls == [["https://x/a?plain=1#L7", "https://x/a"], ["https://x/a", "https://x/a"]]


def test_the_line_of_a_passage_follows_what_is_written_above_it(catalog: Catalog) -> None:
    before = replace(
        version("a", "one"), line_anchor="#L{line}", passages=(Passage("", "one", 0, 3, line=7),)
    )
    catalog.publish("wiki", EVERYONE, [before])
    after = replace(before, version="2", passages=(Passage("", "one", 5, 8, line=9),))
    catalog.publish("wiki", EVERYONE, [after])
    (passage,) = catalog.passages_of("wiki", "a")
    assert passage.url == "https://x/a#L9"


def test_a_catalog_from_before_passages_had_lines_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    with Catalog(path) as catalog:
        catalog.publish("wiki", EVERYONE, [version("a", "Opened items")])
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE documents DROP COLUMN line_anchor")
        connection.execute("ALTER TABLE passages DROP COLUMN line")
        connection.execute("PRAGMA user_version = 2")
    with Catalog(path) as catalog:
        assert found(catalog, "open") == ["Opened items"]
        assert [passage.url for passage in catalog.passages_of("wiki", "a")] == ["https://x/a"]


def test_a_catalog_of_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    Catalog(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(KnowledgeError, match="another version of Lorebot"):
        Catalog(path)
