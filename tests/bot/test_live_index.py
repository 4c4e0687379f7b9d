"""Questions are answered from the live edition of the index, whatever is built beside it and by whom."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from io import StringIO
from pathlib import Path
from threading import Event

import pytest
from engine_standins import Silent
from rich.console import Console

from bot.assembly import Assembly
from bot.output import print_status
from bot.settings import load_settings
from bot.status import read_status
from bot.trial import index_everything
from connectors.conversation import Answered
from connectors.terminal import terminal_question
from knowledge.documents import KnowledgeError, Reader
from knowledge.sync_report import SyncReport

EVERYONE = Reader((frozenset({"everyone"}),))
STAFF = Reader((frozenset({"everyone", "group:staff"}),))
CODE = "What is the code of the visitors' barrier?"

Opening = Callable[..., Assembly]


@pytest.fixture
async def opening(own_documents: Path, models: Path) -> AsyncIterator[Opening]:
    """Open the team's home with the settings of `own_documents`, changed where the test says so."""
    opened: list[Assembly] = []

    def open_with(lines: str = "", announce: Callable[[str], None] = print, **of_source: str) -> Assembly:
        config = own_documents / f"lorebot-{len(opened)}.toml"
        source = "\n".join(f"{key} = {value}" for key, value in of_source.items())
        text = (own_documents / "lorebot.toml").read_text()
        config.write_text(f"{text}{source}\n{lines}\n", encoding="utf-8")
        opened.append(Assembly(load_settings(config), announce, models=models))
        opened[-1].__dict__["generator"] = Silent()
        return opened[-1]

    yield open_with
    for assembly in opened:
        await assembly.close()


OTHER_WORDS = "[sync]\npassage_words = 60"


def texts(assembly: Assembly, question: str = CODE, reader: Reader = EVERYONE) -> list[str]:
    return [passage.text for passage in assembly.search.find(question, reader)]


def sync(assembly: Assembly, name: str) -> SyncReport:
    source, cancelled = assembly.sources[name], Event()
    return assembly.synchronizer.sync(source, on_progress=lambda _: None, cancelled=cancelled)


def test_another_length_of_passages_is_built_beside_the_index_that_answers(
    opening: Opening, own_documents: Path
) -> None:
    (own_documents / "more").mkdir()
    (own_documents / "more" / "tea.md").write_text("# Tea\n\nThe tea comes from Assam.\n", encoding="utf-8")
    more = '[[sources]]\nname = "more"\nkind = "folder"\npath = "more"\n'
    before = opening(more)
    index_everything(before)
    passage = before.search.find(CODE, EVERYONE)[0]

    later = opening(more + OTHER_WORDS)
    sync(later, "office")
    meanwhile = later.search.find(CODE, EVERYONE)[0]
    waiting = later.rebuilding
    sync(later, "more")

    assert meanwhile.passage_id == passage.passage_id
    assert waiting is not None
    assert (waiting.documents, waiting.total, waiting.waiting) == (2, 3, ("more",))
    assert later.rebuilding is None
    assert texts(before)[0] == texts(later)[0] == passage.text


def test_status_tells_how_far_an_index_beside_the_live_one_is(opening: Opening, own_documents: Path) -> None:
    (own_documents / "more").mkdir()
    (own_documents / "more" / "tea.md").write_text("# Tea\n\nThe tea comes from Assam.\n", encoding="utf-8")
    more = '[[sources]]\nname = "more"\nkind = "folder"\npath = "more"\n'
    index_everything(opening(more))
    later = opening(more + OTHER_WORDS)
    sync(later, "office")

    shown = StringIO()
    print_status(read_status(later), Console(file=shown, width=200))

    assert "2 of about 3 documents, beside the index that answers" in shown.getvalue()
    assert "takes over after a whole sync of more" in shown.getvalue()


async def test_a_question_ends_in_the_index_it_began_with(opening: Opening) -> None:
    before = opening()
    index_everything(before)
    generation = before.catalog.generation()
    events = before.speaking_as("base").answer(terminal_question(CODE, frozenset({"everyone"}), ()))
    first = await anext(events)

    later = opening(OTHER_WORDS)
    index_everything(later)
    *_, last = [first] + [event async for event in events]

    assert isinstance(last, Answered)
    assert (last.answer.index_generation, "4711" in last.answer.text) == (generation, True)
    assert before.catalog.generation() > generation


def test_without_its_embedding_model_the_index_is_searched_by_words_until_it_is_rebuilt(
    opening: Opening,
) -> None:
    before = opening()
    index_everything(before)
    about = before.editions.live().folder.parent / "edition.json"
    made_with = json.loads(about.read_text())
    about.write_text(json.dumps({**made_with, "embedder": "lost-1", "model": "/models/lost"}))
    said: list[str] = []
    later = opening(announce=said.append)

    found = later.search.find(CODE, EVERYONE)
    texts(later)

    assert [(passage.uri, passage.dense_rank) for passage in found][:1] == [("parking.md", None)]
    assert len(said) == 1
    assert "(/models/lost) cannot be used" in said[0] and "by their words alone" in said[0]
    index_everything(later)
    assert later.search.find(CODE, EVERYONE)[0].dense_rank == 1


# Who may read


def test_a_source_that_the_settings_close_to_some_is_closed_before_the_first_question(
    opening: Opening,
) -> None:
    index_everything(opening())
    closed = opening(audience='["group:staff"]')
    assert texts(closed) == []
    assert "4711" in texts(closed, reader=STAFF)[0]


def test_a_source_that_the_settings_open_to_more_is_opened_by_the_next_sync(opening: Opening) -> None:
    index_everything(opening(audience='["group:staff"]'))
    opened = opening()
    assert texts(opened) == []
    index_everything(opened)
    assert "4711" in texts(opened)[0]


def test_other_readers_never_gain_from_settings_that_are_older_than_the_index(opening: Opening) -> None:
    index_everything(opening(audience='["group:board"]'))
    assert texts(opening(audience='["group:staff"]'), reader=STAFF) == []


def test_nothing_is_answered_while_a_source_cannot_be_closed(opening: Opening) -> None:
    before = opening()
    index_everything(before)
    with sqlite3.connect(before.catalog.place) as connection:
        connection.execute(
            "CREATE TRIGGER sealed BEFORE UPDATE ON documents "
            "BEGIN SELECT RAISE(FAIL, 'attempt to write a readonly database'); END"
        )
    closed = opening(audience='["group:staff"]')
    for _ in range(2):
        with pytest.raises(KnowledgeError, match="'office' is open to fewer readers than it was"):
            texts(closed)


def test_the_number_of_passages_that_are_searched_is_the_reader_s(opening: Opening) -> None:
    assembly = opening(audience='["group:staff"]')
    index_everything(assembly)
    with assembly.search.reading() as index:
        assert [index.readable_passages(reader) for reader in (EVERYONE, STAFF)] == [0, 2]


def test_a_home_from_before_there_were_editions_is_taken_over(opening: Opening, own_documents: Path) -> None:
    before = opening()
    index_everything(before)
    edition = before.editions.live().folder.parent
    before.editions.close()
    (edition / "catalog.sqlite").rename(own_documents / "home" / "catalog.sqlite")
    shutil.rmtree(own_documents / "home" / "index")

    later = opening()
    report = sync(later, "office")
    assert (report.unchanged, report.passages_embedded) == (2, 0)
    assert "4711" in texts(later)[0]
