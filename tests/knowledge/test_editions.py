"""Other settings build the index beside the live one, which answers until the new one takes over whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from index_standins import Index, MemorySource, ParagraphChunker, WordEmbedder, many

from knowledge.documents import KnowledgeError
from knowledge.editions import Rebuilding
from knowledge.older_layout import adopt
from knowledge.sync_report import SyncProgress


class SentenceChunker(ParagraphChunker):
    """Passages as `ParagraphChunker` makes them, but only the first of a document."""

    def __init__(self) -> None:
        super().__init__("first-paragraph-1")

    def split(self, document: object) -> tuple:
        return super().split(document)[:1]


@pytest.fixture
def handbook() -> MemorySource:
    source = MemorySource()
    source.put("returns.md", "# Returns\n\nThirty days to return.\n\nOpened items too.")
    source.put("lunch.md", "Lunch is at noon.")
    return source


@pytest.fixture
def drive() -> MemorySource:
    source = MemorySource(name="drive")
    source.put("parking.md", "Parking is free.")
    return source


@pytest.fixture
def index(tmp_path: Path, handbook: MemorySource, drive: MemorySource) -> Index:
    """An index of two sources."""
    index = Index(tmp_path)
    index.sync(handbook)
    index.sync(drive)
    return index


EVERYTHING = ["Lunch is at noon.", "Opened items too.", "Parking is free.", "Thirty days to return."]


def with_another_embedder(index: Index) -> Index:
    return Index(index.home, WordEmbedder("words-2", dimensions=48))


def with_another_chunker(index: Index) -> Index:
    return Index(index.home, chunker=SentenceChunker())


def folders(index: Index) -> list[str]:
    return [entry.name for entry in (index.home / "index").iterdir() if entry.is_dir()]


def cancel_at(done: int) -> tuple[threading.Event, object]:
    cancelled = threading.Event()

    def look(progress: SyncProgress) -> None:
        if progress.phase == "documents" and progress.done == done:
            cancelled.set()

    return cancelled, look


# Answering meanwhile


def test_the_live_index_answers_until_every_source_is_in_the_new_one(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_embedder(index)
    later.sync(handbook)
    assert (index.texts(), later.texts()) == (EVERYTHING, [])
    later.sync(drive)
    assert later.texts() == EVERYTHING


def test_another_process_notices_at_its_next_question(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_chunker(index)
    later.sync(handbook)
    later.sync(drive)
    assert index.texts() == ["Lunch is at noon.", "Parking is free.", "Thirty days to return."]


def test_a_question_in_flight_ends_in_the_edition_it_began_with(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_chunker(index)
    later.sync(handbook)
    with index.editions.reading() as edition:
        later.sync(drive)
        found = index.editions.live()
        opened = edition.catalog.passages_of("handbook", "returns.md")
    assert [passage.text for passage in opened] == ["Thirty days to return.", "Opened items too."]
    assert len(found.catalog.passages_of("handbook", "returns.md")) == 1


def test_the_old_index_is_removed_when_its_last_reader_has_gone(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_chunker(index)
    later.sync(handbook)
    with index.editions.reading():
        later.sync(drive)
        index.editions.live()
        assert len(folders(index)) == 2
    assert folders(index) == [later.editions.live().name]


def test_the_first_index_answers_while_it_is_built(tmp_path: Path, handbook: MemorySource) -> None:
    index, source = Index(tmp_path), many(100)
    index.sync(source, *cancel_at(70))
    assert index.catalog.counts().documents == 64


def test_index_generations_go_on_counting(index: Index, handbook: MemorySource, drive: MemorySource) -> None:
    for n in range(5):
        handbook.put("lunch.md", f"Lunch is at {n}.")
        index.sync(handbook)
    before = index.catalog.generation()
    later = with_another_chunker(index)
    later.sync(handbook)
    later.sync(drive)
    assert index.catalog.generation() > before


def test_how_far_the_new_index_is_can_be_told(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    configured = ("handbook", "drive", "new")
    assert index.editions.rebuilding(configured) is None
    later = with_another_chunker(index)
    later.sync(handbook)
    assert index.editions.rebuilding(configured) == Rebuilding(2, 3, ("drive",))
    later.sync(drive)
    assert index.editions.rebuilding(configured) is None


# What is made again


def test_what_the_same_model_embedded_is_not_embedded_again(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_chunker(index)
    reports = [later.sync(handbook), later.sync(drive)]
    assert [report.passages_embedded for report in reports] == [0, 0]
    assert [report.changed for report in reports] == [("returns.md", "lunch.md"), ("parking.md",)]


def test_a_rebuild_that_was_broken_off_goes_on_where_it_was(tmp_path: Path) -> None:
    source = many(100)
    index = Index(tmp_path)
    index.sync(source)
    first = Index(tmp_path, WordEmbedder("words-2")).sync(source, *cancel_at(70))
    assert (first.cancelled, len(index.texts())) == (True, 200)
    later = Index(tmp_path, WordEmbedder("words-2"))
    second = later.sync(source)
    assert (second.unchanged, second.passages_embedded, len(later.texts())) == (64, 72, 200)


def test_settings_put_back_make_the_live_index_current_again(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    abandoned = with_another_chunker(index)
    abandoned.sync(handbook)
    abandoned.editions.close()
    again = Index(index.home)
    report = again.sync(handbook)
    assert (report.unchanged, report.passages_embedded, again.texts()) == (2, 0, EVERYTHING)
    assert folders(index) == [index.editions.live().name]


def test_a_process_whose_settings_were_replaced_is_told_to_restart(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_chunker(index)
    later.sync(handbook)
    later.sync(drive)
    with pytest.raises(KnowledgeError, match="rebuilt the index with other settings: restart"):
        index.sync(handbook)


def test_a_process_keeps_what_another_builds_with_newer_settings(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_embedder(index)
    later.sync(handbook)
    later.editions.close()
    index.sync(drive)
    assert with_another_embedder(index).sync(handbook).passages_embedded == 0


# What holds in both


def test_what_was_forgotten_stays_out_of_the_new_index(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    index.synchronizer.forget_document("handbook", "lunch.md")
    later = with_another_embedder(index)
    later.sync(handbook)
    later.sync(drive)
    assert "Lunch is at noon." not in later.texts()
    assert [document.uri for document in later.catalog.forgotten("handbook")] == ["lunch.md"]


def test_what_is_forgotten_during_a_rebuild_goes_from_both(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_embedder(index)
    later.sync(handbook)
    assert index.synchronizer.forget_document("handbook", "lunch.md") == 1
    assert "Lunch is at noon." not in index.texts()
    later.sync(drive)
    assert "Lunch is at noon." not in later.texts()
    assert later.sync(handbook).added == ()


def test_what_is_restored_during_a_rebuild_comes_back(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    index.synchronizer.forget_document("handbook", "lunch.md")
    later = with_another_embedder(index)
    later.sync(drive)
    index.synchronizer.restore_document("handbook", "lunch.md")
    later.sync(handbook)
    assert later.texts() == EVERYTHING


def test_a_document_that_is_gone_goes_from_both(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_embedder(index)
    del handbook.documents["lunch.md"]
    assert later.sync(handbook).removed == ("lunch.md",)
    assert "Lunch is at noon." not in index.texts()


def test_a_source_that_is_closed_to_some_during_a_rebuild_is_closed_in_both(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    later = with_another_embedder(index)
    handbook.audience = frozenset({"group:staff"})
    later.sync(handbook)
    assert index.texts() == ["Parking is free."]
    later.sync(drive)
    assert later.texts() == ["Parking is free."]


def test_runs_during_a_rebuild_are_remembered_by_the_live_index(
    index: Index, handbook: MemorySource, drive: MemorySource
) -> None:
    drive.listing_fails_after = 0
    with pytest.raises(KnowledgeError):
        with_another_embedder(index).sync(drive)
    assert index.catalog.last_syncs()["drive"].outcome == "failed: The share is not mounted."


# What does not take over


def test_a_source_that_lacks_too_much_keeps_the_live_index(tmp_path: Path) -> None:
    index, source = Index(tmp_path), many(40)
    index.sync(source)
    documents = dict(source.documents)
    source.documents.clear()
    later = with_another_embedder(index)
    report = later.sync(source)
    assert ("40 of 40 documents are gone" in report.failed[0].error, len(index.texts())) == (True, 80)
    source.documents |= documents
    later.sync(source)
    assert len(later.texts()) == 80


def test_deletions_that_are_confirmed_let_the_new_index_take_over(tmp_path: Path) -> None:
    index, source = Index(tmp_path), many(40)
    index.sync(source)
    source.documents.clear()
    with_another_embedder(index).sync(source, confirm_deletions=True)
    assert (index.catalog.counts().documents, index.editions.live().made_with.embedder) == (0, "words-2")


def test_a_source_that_cannot_be_read_keeps_the_live_index(tmp_path: Path) -> None:
    index, source = Index(tmp_path), many(40)
    index.sync(source)
    source.unreadable.update(source.documents)
    with_another_embedder(index).sync(source)
    assert len(index.texts()) == 80


def test_a_source_that_left_the_settings_is_not_waited_for(index: Index, handbook: MemorySource) -> None:
    other = MemorySource(name="gone")
    other.put("old.md", "Old times.")
    index.sync(other)
    later = with_another_embedder(index)
    later.sync(handbook)
    drive = MemorySource(name="drive")
    drive.put("parking.md", "Parking is free.")
    later.sync(drive)
    assert (later.texts(), later.said[-1]) == (
        EVERYTHING,
        "The rebuilt index has taken over; nothing of 'gone' is in it.",
    )


# A home from before there were editions


def as_older_layout(index: Index) -> tuple[Path, Path]:
    index.editions.close()
    (edition,) = folders(index)
    older = index.home / "catalog.sqlite", index.home / "vectors"
    for name, path in zip(("catalog.sqlite", "vectors"), older, strict=True):
        shutil.move(index.home / "index" / edition / name, path)
    shutil.rmtree(index.home / "index")
    return older


def test_an_index_of_the_older_layout_is_moved_and_nothing_is_made_again(
    index: Index, handbook: MemorySource
) -> None:
    adopt(*as_older_layout(index), index.home / "index", "model")
    again = Index(index.home)
    assert again.texts() == EVERYTHING
    report = again.sync(handbook)
    assert (report.unchanged, report.passages_embedded, again.said) == (2, 0, [])
    assert {entry.name for entry in index.home.iterdir()} == {"index", "locks"}


def test_a_move_that_was_killed_is_ended_by_the_next_start(index: Index) -> None:
    catalog, vectors = as_older_layout(index)
    kept = index.home / "kept.sqlite"
    shutil.copy(catalog, kept)
    adopt(catalog, vectors, index.home / "index", "model")
    (edition,) = folders(index)
    (index.home / "index" / edition / "catalog.sqlite").rename(catalog)
    adopt(catalog, vectors, index.home / "index", "model")
    assert Index(index.home).texts() == EVERYTHING


def test_a_catalog_that_comes_later_does_not_replace_the_live_one(index: Index, tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(b"")
    adopt(tmp_path / "catalog.sqlite", tmp_path / "vectors", index.home / "index", "model")
    assert index.texts() == EVERYTHING


# Side by side


def test_a_run_does_not_drop_what_another_has_embedded_and_not_yet_published(index: Index) -> None:
    huge = MemorySource(name="drive")
    huge.put("huge.md", "\n\n".join(f"Paragraph number {n}." for n in range(600)))
    other = Index(index.home)
    embed = index.embedder.embed

    def embed_while_another_source_is_synced(texts: list[str]) -> object:
        if len(index.embedder.embedded) == 256:
            other.sync(many(3))
        return embed(texts)

    index.embedder.embed = embed_while_another_source_is_synced  # type: ignore[assignment]
    report = index.sync(huge)
    del index.embedder.embed
    assert report.passages_embedded == 600
    assert index.catalog.live("words-1")[0].size == index.catalog.passage_count() == 606


CHILD = """
import sys, threading
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from index_standins import Index, many
index, source = Index(Path(sys.argv[1])), many(150)
source.name = sys.argv[3]
for uri in list(source.documents):
    source.put(uri, f"{uri} of {source.name}.\\n\\nIts second paragraph.")
print("ready", flush=True)
sys.stdin.readline()
for edit in range(3):
    source.put("0000.md", f"Edit {edit} of {source.name}.")
    report = index.sync(source)
assert report.passages_live >= 299
"""


@pytest.mark.slow
def test_two_sources_are_synced_by_two_processes_while_a_third_is_asked(
    index: Index, handbook: MemorySource
) -> None:
    names = ("wiki", "drive")
    arguments = [sys.executable, "-c", CHILD, str(index.home), str(Path(__file__).parent)]
    children = [
        subprocess.Popen([*arguments, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in names
    ]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    vector = index.embedder.embed(["lunch.md\n\nLunch is at noon."])[0]
    lunch = index.catalog.passages_of("handbook", "lunch.md")[0].passage_id
    while any(child.poll() is None for child in children):
        assert index.vectors.query(vector, 1, [1])[0][0] == lunch
    assert [child.wait() for child in children] == [0, 0]
    index.sync(handbook)
    assert index.catalog.live("words-1")[0].size == index.catalog.passage_count() == 3 + 2 * 299
    assert len(index.texts()) == 3 + 2 * 299
    assert index.seal is not None and index.seal.stamp == index.catalog.stamp()
    assert index.said == []
