"""A sync reads what changed, embeds what is new, removes what is gone, and survives what goes wrong."""

from __future__ import annotations

import errno
import hashlib
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from index_standins import Index, MemorySource, ParagraphChunker, WordEmbedder, many, to_markdown

from knowledge.documents import KnowledgeError, MarkdownDocument, RawDocument
from knowledge.indexing import SyncFailure
from knowledge.locking import FileLocks, SyncBusyError
from knowledge.sync_report import SyncProgress
from knowledge.vectors import ExactVectors


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


@pytest.fixture
def source() -> MemorySource:
    source = MemorySource()
    source.put("returns.md", "# Returns\n\nThirty days to return.\n\nOpened items too.")
    source.put("lunch.md", "Lunch is at noon.")
    return source


# What a run does


def test_the_first_sync_indexes_everything(index: Index, source: MemorySource) -> None:
    report = index.sync(source)
    assert report.added == ("returns.md", "lunch.md")
    assert (report.passages_embedded, report.passages_live, report.index_generation) == (3, 3, 1)
    assert index.texts() == ["Lunch is at noon.", "Opened items too.", "Thirty days to return."]


def test_what_did_not_change_is_not_even_read(index: Index, source: MemorySource) -> None:
    index.sync(source)
    report = index.sync(source)
    assert (source.reads, report.unchanged, report.index_generation) == ([], 2, 1)


def test_a_run_without_changes_does_not_import_chroma(tmp_path: Path, source: MemorySource) -> None:
    program = """
import sys, threading
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from index_standins import *
from knowledge.chroma import ChromaVectors
from knowledge.edition_folders import EditionFolders
from knowledge.editions import Editions
from knowledge.locking import FileLocks
from knowledge.sync import Synchronizer
home, embedder, source = Path(sys.argv[1]), WordEmbedder(), MemorySource()
source.put("lunch.md", "Lunch is at noon.")
editions = Editions(EditionFolders(home / "index"), print, ChromaVectors)
locks = FileLocks(home / "locks")
s = Synchronizer(editions, embedder, ParagraphChunker(), to_markdown, locks, "", ["handbook"])
report = s.sync(source, on_progress=lambda _: None, cancelled=threading.Event())
print(report.unchanged, "chromadb" in sys.modules)
"""
    arguments = [sys.executable, "-c", program, str(tmp_path), str(Path(__file__).parent)]
    runs = [subprocess.run(arguments, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs == ["0 True\n", "1 False\n"]


def test_of_a_changed_document_only_the_new_passage_is_embedded(index: Index, source: MemorySource) -> None:
    index.sync(source)
    source.put("returns.md", "# Returns\n\nSixty days to return.\n\nOpened items too.")
    report = index.sync(source)
    assert (report.changed, report.unchanged) == (("returns.md",), 1)
    assert index.embedder.embedded == ["returns.md\nReturns\nSixty days to return."]
    assert index.texts() == ["Lunch is at noon.", "Opened items too.", "Sixty days to return."]


def test_a_document_that_was_only_touched_counts_as_unchanged(index: Index, source: MemorySource) -> None:
    index.sync(source)
    source.put("lunch.md", "Lunch is at noon.")
    touched = index.sync(source)
    again = index.sync(source)
    assert (touched.changed, touched.unchanged, touched.index_generation) == ((), 2, 1)
    assert (again.unchanged, source.reads) == (2, [])


def test_a_deleted_document_disappears_in_the_same_run(index: Index, source: MemorySource) -> None:
    index.sync(source)
    del source.documents["lunch.md"]
    assert index.sync(source).removed == ("lunch.md",)
    assert index.texts() == ["Opened items too.", "Thirty days to return."]


def test_a_renamed_document_is_not_embedded_again(index: Index) -> None:
    class Titled(ParagraphChunker):
        def embedding_text(self, title: str, passage: object) -> str:
            return super().embedding_text("", passage)  # the name is the title of these stand-ins

    index = Index(index.home, chunker=Titled())
    source = many(3)
    index.sync(source)
    source.documents["moved.md"] = source.documents.pop("0001.md")
    report = index.sync(source)
    assert (report.added, report.removed, report.passages_embedded) == (("moved.md",), ("0001.md",), 0)


def test_the_same_text_in_many_documents_is_embedded_once(index: Index) -> None:
    source = MemorySource()
    for n in range(5):
        source.put(f"{n}/note.md", "The same note.")
    index.synchronizer._convert = lambda raw: to_markdown(RawDocument(raw.uri, "note.md", raw.content))
    report = index.sync(source)
    assert (report.passages_embedded, report.passages_live) == (1, 5)


def test_small_documents_are_embedded_together(index: Index) -> None:
    sizes = []
    embed = index.embedder.embed
    index.embedder.embed = lambda texts: (sizes.append(len(texts)), embed(texts))[1]  # type: ignore[method-assign]
    index.sync(many(40))
    assert sizes == [64, 16]


def test_a_huge_document_is_embedded_in_pieces(index: Index) -> None:
    source = MemorySource()
    source.put("huge.md", "\n\n".join(f"Paragraph number {n}." for n in range(600)))
    sizes = []
    embed = index.embedder.embed
    index.embedder.embed = lambda texts: (sizes.append(len(texts)), embed(texts))[1]  # type: ignore[method-assign]
    index.sync(source)
    assert sizes == [256, 256, 88]


def test_sources_do_not_touch_each_other(index: Index, source: MemorySource) -> None:
    other = MemorySource(name="drive")
    other.put("lunch.md", "Lunch is at one.")
    index.sync(source)
    index.sync(other)
    other.documents.clear()
    assert index.sync(other).removed == ("lunch.md",)
    assert "Lunch is at noon." in index.texts()


def test_a_source_that_is_closed_to_some_is_closed_by_the_next_run(
    index: Index, source: MemorySource
) -> None:
    index.sync(source)
    source.audience = frozenset({"group:staff"})
    report = index.sync(source)
    assert (index.texts(), len(index.texts("group:staff"))) == ([], 3)
    assert (source.reads, report.unchanged) == ([], 2)


def test_progress_names_each_document(index: Index, source: MemorySource) -> None:
    seen: list[SyncProgress] = []
    index.sync(source, on_progress=seen.append)
    assert seen == [
        SyncProgress("handbook", "listing"),
        SyncProgress("handbook", "documents", 0, 2, "returns.md"),
        SyncProgress("handbook", "documents", 1, 2, "lunch.md"),
        SyncProgress("handbook", "index", 2, 2),
    ]


def test_the_run_is_remembered(index: Index, source: MemorySource) -> None:
    index.sync(source)
    last = index.catalog.last_syncs()["handbook"]
    assert (last.outcome, last.counts["added"], last.counts["passages_live"]) == ("complete", 2, 3)


def test_embeddings_of_dead_texts_are_dropped(index: Index, source: MemorySource) -> None:
    index.sync(source)
    text = source.documents.pop("lunch.md")
    index.sync(source)
    source.documents["lunch.md"] = text
    assert index.sync(source).passages_embedded == 1


def test_a_forgotten_source_is_gone(index: Index, source: MemorySource) -> None:
    index.sync(source)
    index.synchronizer.forget_source("handbook")
    assert (index.texts(), index.catalog.sources_seen()) == ([], ())


# Forgetting a document


def test_a_forgotten_document_is_gone_at_once_with_its_embeddings(index: Index, source: MemorySource) -> None:
    index.sync(source)
    lunch = index.catalog.passages_of("handbook", "lunch.md")[0]
    text_hash = hashlib.sha256(b"lunch.md\n\nLunch is at noon.").hexdigest()
    kept_before = index.catalog.without_embedding("words-1", [text_hash])
    assert index.synchronizer.forget_document("handbook", "lunch.md") == 1
    assert index.texts() == ["Opened items too.", "Thirty days to return."]
    assert index.catalog.unfiltered_passages([lunch.passage_id]) == {}
    assert (kept_before, index.catalog.without_embedding("words-1", [text_hash])) == (set(), {text_hash})
    assert index.seal.stamp == index.catalog.stamp()


def test_what_other_documents_say_too_stays_embedded(index: Index) -> None:
    source = MemorySource()
    source.put("a/note.md", "The same note.")
    source.put("b/note.md", "The same note.")
    index.synchronizer._convert = lambda raw: to_markdown(RawDocument(raw.uri, "note.md", raw.content))
    index.sync(source)
    index.synchronizer.forget_document("handbook", "a/note.md")
    assert index.catalog.live("words-1")[0].size == 1


def test_a_forgotten_document_stays_out_although_its_source_lists_it(
    index: Index, source: MemorySource
) -> None:
    index.sync(source)
    index.synchronizer.forget_document("handbook", "lunch.md")
    source.put("lunch.md", "Lunch is at one.")
    report = index.sync(source)
    assert (source.reads, report.added, report.removed, report.unchanged) == ([], (), (), 1)
    index.rebuild(source)
    assert source.reads == ["returns.md"]


def test_a_forgotten_document_stays_out_after_it_left_the_source_and_came_back(
    index: Index, source: MemorySource
) -> None:
    index.sync(source)
    index.synchronizer.forget_document("handbook", "lunch.md")
    text = source.documents.pop("lunch.md")
    index.sync(source)
    source.documents["lunch.md"] = text
    assert index.sync(source).added == ()


def test_a_restored_document_is_indexed_by_the_next_run(index: Index, source: MemorySource) -> None:
    index.sync(source)
    index.synchronizer.forget_document("handbook", "lunch.md")
    index.synchronizer.restore_document("handbook", "lunch.md")
    assert index.sync(source).added == ("lunch.md",)
    assert "Lunch is at noon." in index.texts()


def test_a_document_is_forgotten_in_one_source_only(index: Index, source: MemorySource) -> None:
    other = MemorySource(name="drive")
    other.put("lunch.md", "Lunch is at one.")
    index.sync(source)
    index.sync(other)
    index.synchronizer.forget_document("handbook", "lunch.md")
    assert (index.sync(other).unchanged, index.catalog.forgotten("drive")) == (1, ())


def test_forgetting_a_document_that_fails_ends_its_failure(index: Index, source: MemorySource) -> None:
    source.put("broken.md", "%broken")
    index.sync(source)
    index.synchronizer.forget_document("handbook", "broken.md")
    report = index.sync(source)
    assert (report.failed, report.still_failing, index.catalog.failures("handbook")) == ((), 0, ())


def test_forgotten_documents_do_not_count_as_deletions_that_need_confirming(index: Index) -> None:
    source = many(40)
    index.sync(source)
    for n in range(13):
        index.synchronizer.forget_document("handbook", f"{n:04}.md")
    report = index.sync(source)
    assert (report.failed, report.unchanged) == ((), 27)


def test_nothing_is_forgotten_while_a_sync_runs(index: Index, source: MemorySource) -> None:
    index.sync(source)
    with FileLocks(index.home / "locks").holding("handbook"), pytest.raises(SyncBusyError):
        index.synchronizer.forget_document("handbook", "lunch.md")
    assert index.catalog.forgotten("handbook") == ()


def test_what_is_forgotten_of_a_source_is_forgotten_with_it(index: Index, source: MemorySource) -> None:
    index.sync(source)
    index.synchronizer.forget_document("handbook", "lunch.md")
    index.synchronizer.forget_source("handbook")
    assert index.sync(source).added == ("returns.md", "lunch.md")


def test_a_catalog_from_before_documents_could_be_forgotten_is_read_as_it_is(
    index: Index, source: MemorySource
) -> None:
    index.sync(source)
    path = index.catalog.place
    index.editions.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE forgotten")
        connection.execute("ALTER TABLE documents DROP COLUMN line_anchor")
        connection.execute("ALTER TABLE passages DROP COLUMN line")
        connection.execute("PRAGMA user_version = 1")
    later = Index(index.home)
    later.synchronizer.forget_document("handbook", "lunch.md")
    report = later.sync(source)
    assert (report.unchanged, report.passages_embedded) == (1, 0)


# Rebuilding


def test_a_rebuild_reads_everything_and_embeds_nothing_again(index: Index, source: MemorySource) -> None:
    index.sync(source)
    report = index.rebuild(source)
    assert (source.reads, report.unchanged) == (["returns.md", "lunch.md"], 2)
    assert (report.passages_embedded, len(index.texts())) == (0, 3)


def test_another_chunker_cuts_everything_again(index: Index, source: MemorySource) -> None:
    class Whole(ParagraphChunker):
        def split(self, document: object) -> tuple:
            return super().split(document)[:1]

    index.sync(source)
    report = Index(index.home, chunker=Whole("first-paragraph-1")).sync(source)
    assert (report.changed, report.passages_live) == (("returns.md", "lunch.md"), 2)


def test_another_embedder_embeds_everything_again(index: Index, source: MemorySource) -> None:
    index.sync(source)
    other = Index(index.home, WordEmbedder("words-2", dimensions=48))
    report = other.sync(source)
    assert (report.passages_embedded, len(other.texts())) == (3, 3)
    assert index.catalog.live("words-1")[0].size == 0


# What goes wrong


def test_a_listing_that_breaks_off_deletes_nothing(index: Index) -> None:
    source = many(5)
    index.sync(source)
    source.listing_fails_after = 2
    with pytest.raises(KnowledgeError, match="The share is not mounted"):
        index.sync(source)
    assert index.catalog.counts().documents == 5
    assert index.catalog.last_syncs()["handbook"].outcome == "failed: The share is not mounted."


def test_a_listing_that_lacks_too_much_deletes_nothing(index: Index) -> None:
    source = many(40)
    index.sync(source)
    for n in range(13):
        del source.documents[f"{n:04}.md"]
    source.put("0039.md", "Changed.")
    report = index.sync(source)
    assert (report.removed, report.changed, report.passages_live) == ((), ("0039.md",), 79)
    assert report.failed == (
        SyncFailure(
            "handbook",
            "13 of 40 documents are gone from source 'handbook': they are kept in case the listing is wrong. "
            "Check the source, or confirm the deletions.",
        ),
    )


def test_confirmed_deletions_are_made(index: Index) -> None:
    source = many(40)
    index.sync(source)
    source.documents.clear()
    assert len(index.sync(source, confirm_deletions=True).removed) == 40


def test_the_share_of_deletions_that_needs_confirming_can_be_chosen(index: Index) -> None:
    source = many(40)
    index.sync(source)
    for n in range(13):
        del source.documents[f"{n:04}.md"]
    assert len(index.sync(source, max_deletion_share=0.5).removed) == 13


def test_a_broken_document_does_not_stop_the_others(index: Index, source: MemorySource) -> None:
    source.put("broken.md", "%broken")
    report = index.sync(source)
    assert report.failed == (SyncFailure("broken.md", "broken.md is broken."),)
    assert report.added == ("returns.md", "lunch.md")


def test_a_converter_that_crashes_fails_only_its_document(index: Index, source: MemorySource) -> None:
    def convert(raw: RawDocument) -> object:
        return to_markdown(raw) if raw.uri != "lunch.md" else {}["no such key"]

    index.synchronizer._convert = convert
    report = index.sync(source)
    assert report.failed == (
        SyncFailure("lunch.md", "lunch.md cannot be indexed (KeyError: 'no such key')."),
    )
    assert report.added == ("returns.md",)


def test_a_broken_document_is_tried_again_when_it_changes(index: Index, source: MemorySource) -> None:
    source.put("lunch.md", "%broken")
    index.sync(source)
    left = index.sync(source)
    assert (source.reads, left.failed, left.still_failing) == ([], (), 1)
    assert [failure.uri for failure in index.catalog.failures("handbook")] == ["lunch.md"]
    source.put("lunch.md", "Lunch is at noon.")
    assert index.sync(source).added == ("lunch.md",)
    assert index.catalog.failures("handbook") == ()


def test_a_rebuild_tries_broken_documents_again(index: Index, source: MemorySource) -> None:
    source.put("lunch.md", "%broken")
    index.sync(source)
    assert [failure.uri for failure in index.rebuild(source).failed] == ["lunch.md"]


def test_a_document_that_could_not_be_read_is_tried_in_every_run(index: Index, source: MemorySource) -> None:
    source.unreadable.add("lunch.md")
    index.sync(source)
    source.unreadable.clear()
    assert index.sync(source).added == ("lunch.md",)


def test_a_document_that_breaks_keeps_its_last_good_version(index: Index, source: MemorySource) -> None:
    index.sync(source)
    source.put("lunch.md", "%broken")
    assert [failure.uri for failure in index.sync(source).failed] == ["lunch.md"]
    assert "Lunch is at noon." in index.texts()


def test_a_document_that_was_emptied_says_nothing_any_more(index: Index, source: MemorySource) -> None:
    index.sync(source)
    source.put("lunch.md", "")
    report = index.sync(source)
    assert (report.removed, [failure.uri for failure in report.failed]) == (("lunch.md",), ["lunch.md"])
    assert "Lunch is at noon." not in index.texts()


def test_a_failure_is_forgotten_with_its_document(index: Index, source: MemorySource) -> None:
    source.put("broken.md", "%broken")
    index.sync(source)
    del source.documents["broken.md"]
    index.sync(source)
    assert index.catalog.failures("handbook") == ()


def test_a_document_that_vanishes_while_it_is_read_counts_as_removed(
    index: Index, source: MemorySource
) -> None:
    index.sync(source)
    source.put("lunch.md", "Lunch is at one.")
    source.vanishing.add("lunch.md")
    report = index.sync(source)
    assert (report.removed, report.failed) == (("lunch.md",), ())
    assert index.texts() == ["Opened items too.", "Thirty days to return."]


def test_a_cancelled_run_keeps_what_it_published_and_the_next_goes_on(index: Index) -> None:
    source, cancelled = many(100), threading.Event()

    def cancel_late(progress: SyncProgress) -> None:
        if progress.done == 70:
            cancelled.set()

    first = index.sync(source, cancelled, cancel_late)
    assert (first.cancelled, len(first.added), first.passages_live) == (True, 64, 128)
    assert index.catalog.last_syncs()["handbook"].outcome == "cancelled"
    second = index.sync(source)
    assert (second.unchanged, len(second.added), len(index.texts())) == (64, 36, 200)


def test_two_runs_at_once_are_refused(index: Index, source: MemorySource) -> None:
    with FileLocks(index.home / "locks").holding("handbook"):
        refused: list[str] = []

        def second() -> None:
            try:
                index.sync(source)
            except SyncBusyError as error:
                refused.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(refused) == 1 and refused[0].startswith("Another sync of 'handbook' is running (pid ")
    assert index.sync(source).added == ("returns.md", "lunch.md")


def test_a_full_disk_is_one_clear_line_and_the_old_index_stands(index: Index, source: MemorySource) -> None:
    index.sync(source)
    source.put("lunch.md", "Lunch is at one.")

    def embed(_texts: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device", "model-cache")

    index.synchronizer._embedder.embed = embed
    with pytest.raises(KnowledgeError, match=r"No space left on the disk \(model-cache\).*free some space"):
        index.sync(source)
    del index.embedder.embed
    assert "Lunch is at noon." in index.texts()
    assert index.sync(source).changed == ("lunch.md",)


def test_the_index_catches_up_after_a_run_that_died_before_it_could(
    index: Index, source: MemorySource
) -> None:
    index.sync(source)
    source.put("new.md", "Parking is free.")
    dying = Index(index.home)
    dying.editions.live().vectors = ExactVectors(dying.catalog, dying.embedder.identity)
    dying.sync(source)
    report = index.sync(source)
    assert report.unchanged == 3
    assert index.seal.stamp == index.catalog.stamp()
    assert "Parking is free." in index.texts()


def test_a_document_that_failed_is_tried_again_by_other_converters(
    index: Index, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.put("lunch.md", "%broken")
    index.sync(source)
    monkeypatch.setattr("knowledge.indexing.CONVERSION_VERSION", "next")
    index.synchronizer._convert = lambda raw: MarkdownDocument(raw.name, raw.content.decode())
    report = index.sync(source)
    assert (source.reads, report.added, report.still_failing) == (["lunch.md"], ("lunch.md",), 0)


def test_a_kind_that_cannot_be_read_is_reported_once(index: Index, source: MemorySource) -> None:
    source.kinds["*.png"] = "2 files of a kind that Lorebot cannot read."
    first, second = index.sync(source), index.sync(source)
    assert first.failed == (SyncFailure("*.png", "2 files of a kind that Lorebot cannot read."),)
    assert (second.failed, second.still_failing) == ((), 1)


def test_a_kind_that_cannot_be_read_is_no_document(index: Index, source: MemorySource) -> None:
    source.kinds["*.png"] = "2 files"
    report = index.sync(source)
    assert index.catalog.counts().documents == len(report.added) == len(source.reads) == 2


def test_what_is_kept_of_a_kind_follows_the_listing(index: Index, source: MemorySource) -> None:
    source.kinds["*.png"] = "2 files"
    index.sync(source)
    source.kinds["*.png"] = "3 files"
    assert index.sync(source).failed == ()
    assert [failure.error for failure in index.catalog.failures("handbook")] == ["3 files"]


def test_a_kind_that_is_gone_is_forgotten(index: Index, source: MemorySource) -> None:
    source.kinds["*.png"] = "2 files"
    index.sync(source)
    source.kinds.clear()
    index.sync(source)
    assert index.catalog.failures("handbook") == ()


def test_a_passage_leads_to_the_line_of_the_file_on_which_it_begins(index: Index) -> None:
    class Linked(MemorySource):
        def read(self, uri: str) -> RawDocument:
            return replace(super().read(uri), url=f"https://x/{uri}", line_anchor="#L{line}")

    source = Linked()
    source.put("returns.md", "# Returns\n\nThirty days to return.\n\nOpened items too.")
    index.sync(source)
    urls = [passage.url for passage in index.catalog.passages_of("handbook", "returns.md")]
    assert urls == ["https://x/returns.md#L3", "https://x/returns.md#L5"]
