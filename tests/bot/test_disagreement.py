"""What is said when two documents answer differently, and that nothing is said when they only look so.

Each pair of the two JSONL files is an older and a newer document. All of them go through the real selection
of evidence; some are read by the real folder source into one real index, where a group of its own sees
nothing but the pair.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.generation import AdapterVersion, GenerationError, GenerationRequest, Message
from bot.assembly import Assembly
from bot.disagreement import note, settle
from bot.evidence import Evidence, EvidenceSelector
from bot.settings import load_settings
from bot.trial import index_everything
from connectors.conversation import Answer, TextDelta
from connectors.terminal import collect_answer, terminal_question
from knowledge.documents import FoundPassage

HERE = Path(__file__).parent
OLDER, NEWER = datetime(2024, 3, 12, 12, tzinfo=UTC), datetime(2026, 5, 3, 12, tzinfo=UTC)
READ = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Pair:
    """Two documents, the question they are asked, and what each says where they disagree."""

    name: str
    question: str
    older: str
    newer: str
    older_says: str = ""
    newer_says: str = ""


def pairs(file: str) -> list[Pair]:
    return [Pair(**json.loads(line)) for line in (HERE / file).read_text(encoding="utf-8").splitlines()]


DISAGREEING = pairs("pairs_that_disagree.jsonl")
AGREEING = pairs("pairs_that_agree.jsonl")
INDEXED = (*DISAGREEING[:16], *AGREEING[:8])


class Lines:
    """A model that says the given sentences; without any it fails, so that the evidence is quoted."""

    model = "lines"
    ready = True
    queue_number = 0

    def __init__(self, *sentences: str) -> None:
        self._sentences = sentences

    def resolve(self, adapter: str) -> AdapterVersion:
        return AdapterVersion(adapter, "", "")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        if not self._sentences:
            raise GenerationError("out of memory")
        for sentence in self._sentences:
            yield f"{sentence} "

    def count_tokens(self, messages: tuple[Message, ...]) -> int:
        return 0

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Assembly]:
    """An index of some pairs, each open to a group of its own name."""
    folder = tmp_path_factory.mktemp("pairs")
    settings = ['home = "home"']
    for number, pair in enumerate(INDEXED):
        place = folder / str(number)
        place.mkdir()
        for name, text, changed in (("older.md", pair.older, OLDER), ("newer.md", pair.newer, NEWER)):
            (place / name).write_text(text, encoding="utf-8")
            os.utime(place / name, (changed.timestamp(), changed.timestamp()))
        settings.append(
            f'[[sources]]\nname = "pair-{number}"\nkind = "folder"\npath = "{number}"\n'
            f'audience = ["group:{number}"]'
        )
    (folder / "lorebot.toml").write_text("\n".join(settings), encoding="utf-8")
    assembly = Assembly(load_settings(folder / "lorebot.toml"), print, models=models)
    index_everything(assembly)
    yield assembly
    asyncio.run(assembly.close())


async def answer(library: Assembly, pair: Pair, *sentences: str) -> Answer:
    library.__dict__["generator"] = Lines(*sentences)
    asked = terminal_question(pair.question, frozenset({f"group:{INDEXED.index(pair)}"}))
    return await collect_answer(library.speaking_as("base"), asked)


def named(name: str) -> Pair:
    return next(pair for pair in INDEXED if pair.name == name)


@pytest.mark.parametrize("pair", INDEXED[:16], ids=lambda pair: pair.name)
async def test_the_newer_document_answers_and_the_older_one_is_named_with_both_dates(
    library: Assembly, pair: Pair
) -> None:
    said = await answer(library, pair)

    *before, last = (sentence for sentence in said.sentences if sentence.action != "dropped")
    assert last.action == "noted"
    assert f"An older document says {pair.older_says} (" in last.text
    assert "12 March 2024" in last.text
    assert last.text.endswith("the newer one is of 3 May 2026.")
    assert pair.newer_says.strip("“”") in " ".join(sentence.text for sentence in before)
    assert not any(pair.older_says in sentence.text for sentence in before)
    assert {said.citations[marker - 1].uri for marker in last.markers} == {"older.md", "newer.md"}


@pytest.mark.parametrize("pair", INDEXED[16:], ids=lambda pair: pair.name)
async def test_documents_that_may_both_be_right_are_not_said_to_disagree(
    library: Assembly, pair: Pair
) -> None:
    said = await answer(library, pair)

    assert not [sentence.text for sentence in said.sentences if sentence.action == "noted"]


async def test_the_model_cannot_answer_with_what_only_the_older_document_says(library: Assembly) -> None:
    pair = named("return period")

    said = await answer(library, pair, "Customers have 14 days from delivery to return an item [1].")

    assert [sentence.action for sentence in said.sentences] == ["dropped", "quoted", "noted"]
    assert "30 days" in said.sentences[1].text


async def test_the_models_own_sentence_is_followed_by_the_note(library: Assembly) -> None:
    pair = named("return period")

    said = await answer(library, pair, "A customer has 30 days from delivery to send an item back [1].")

    assert [sentence.action for sentence in said.sentences] == ["kept", "noted"]
    assert said.text == (
        "A customer has 30 days from delivery to send an item back [1]. An older document says 14 days "
        "(Returns FAQ, 12 March 2024); the newer one is of 3 May 2026 [1][2]."
    )


async def test_the_note_is_the_last_text_that_leaves(library: Assembly) -> None:
    pair = named("return period")
    library.__dict__["generator"] = Lines("A customer has 30 days to send an item back [1].")
    asked = terminal_question(pair.question, frozenset({f"group:{INDEXED.index(pair)}"}))

    events = [event async for event in library.speaking_as("base").answer(asked)]

    texts = [event.text for event in events if isinstance(event, TextDelta)]
    assert texts[-1].lstrip().startswith("An older document says 14 days")


async def test_every_citation_carries_the_dates_of_its_document(library: Assembly) -> None:
    said = await answer(library, named("return period"))

    assert {citation.uri: citation.modified_at for citation in said.citations} == {
        "older.md": OLDER,
        "newer.md": NEWER,
    }
    assert all(citation.version for citation in said.citations)


def selected(library: Assembly, pair: Pair) -> tuple[Evidence, ...]:
    """What the engine would choose of the two documents, had its search found nothing else."""
    passages = [
        replace(passage_of(pair.older, "older.md"), modified_at=OLDER),
        replace(passage_of(pair.newer, "newer.md"), modified_at=NEWER),
    ]
    return EvidenceSelector(library.embedder.embed).select(pair.question, passages, {}, limit=5)


def passage_of(markdown: str, uri: str) -> FoundPassage:
    title, _, text = markdown.removeprefix("# ").partition("\n")
    found = re.match(r"\s*## (.*)", text)
    return passage(title, text, uri=uri, heading=found[1] if found else "")


@pytest.mark.parametrize("pair", DISAGREEING, ids=lambda pair: pair.name)
def test_a_disagreement_is_seen_with_what_each_document_says(library: Assembly, pair: Pair) -> None:
    entry = settle(pair.question, selected(library, pair)).disagreements[0]

    assert (entry.held.passage.uri, entry.other.passage.uri) == ("newer.md", "older.md")
    assert (entry.held_value, entry.other_value) == (pair.newer_says, pair.older_says)


@pytest.mark.parametrize("pair", AGREEING, ids=lambda pair: pair.name)
def test_statements_that_may_both_hold_are_left_as_they_are(library: Assembly, pair: Pair) -> None:
    chosen = selected(library, pair)

    assert settle(pair.question, chosen).evidence == chosen


def passage(title: str, text: str, *, uri: str, heading: str = "") -> FoundPassage:
    return FoundPassage(
        passage_id=hash((title, text)), source="pages", uri=uri, url=None, title=title, heading=heading,
        text=text, version="v1", indexed_at=READ, modified_at=None, dense_rank=1, lexical_rank=1,
        dense_score=0.5, lexical_score=1.0, score=1.0,
    )  # fmt: skip


def evidence(title: str, text: str, *, score: float, changed: datetime | None) -> Evidence:
    found = replace(passage(title, text, uri=f"{title}.md"), modified_at=changed)
    return Evidence(found, 1, text, "", coverage=1.0, cosine=0.5, score=score, end=len(text))


QUESTION = "How many days do customers have to return an item?"
OLD = evidence("Returns FAQ", "Customers have 14 days to return an item.", score=9.0, changed=OLDER)
NEW = evidence("Returns policy", "Customers have 30 days to return an item.", score=8.0, changed=NEWER)


def dated(piece: Evidence, **changes: object) -> Evidence:
    return replace(piece, passage=replace(piece.passage, **changes))  # type: ignore[arg-type]


def test_the_newer_piece_takes_the_better_place_of_the_two() -> None:
    other = evidence("Opening hours", "The shop opens at nine.", score=8.5, changed=NEWER)

    settled = settle(QUESTION, [OLD, other, NEW])

    assert [(piece.text, piece.score) for piece in settled.evidence] == [(NEW.text, 9.0), (other.text, 8.5)]


def test_what_else_the_older_document_says_of_the_value_goes_with_it() -> None:
    again = replace(OLD, text="After the 14 days nothing is taken back.", start=60, score=7.0)

    assert [piece.text for piece in settle(QUESTION, [OLD, NEW, again]).evidence] == [NEW.text]


def test_the_newest_of_three_documents_answers() -> None:
    middle = evidence(
        "Returns help",
        "Customers have 21 days to return an item.",
        score=9.5,
        changed=datetime(2025, 1, 9, tzinfo=UTC),
    )

    settled = settle(QUESTION, [middle, OLD, NEW])

    assert [piece.text for piece in settled.evidence] == [NEW.text]
    assert {entry.held.text for entry in settled.disagreements} == {NEW.text}


@pytest.mark.parametrize("changed", [None, datetime(2026, 5, 3, 8, tzinfo=UTC)])
def test_without_dates_that_tell_both_are_named_and_none_is_called_newer(changed: datetime | None) -> None:
    (entry,) = settle(QUESTION, [dated(OLD, modified_at=changed), NEW]).disagreements

    when = "3 May 2026" if changed else "read 1 June 2026"
    assert note(entry) == (
        f"The documents disagree: 14 days (Returns FAQ, {when}) or 30 days (Returns policy, 3 May 2026)."
    )


def test_editions_tell_what_is_newer_where_the_files_have_no_dates() -> None:
    pages = [
        dated(OLD, title="Handbook, 2024 edition", modified_at=None),
        dated(NEW, title="Handbook, 2026 edition", modified_at=None, uri="new.md"),
    ]

    (entry,) = settle(QUESTION, pages).disagreements

    assert note(entry) == (
        "An older document says 14 days (Handbook, 2024 edition); the newer one is Handbook, 2026 edition."
    )


def test_a_date_in_the_title_that_contradicts_the_files_date_decides_nothing() -> None:
    pages = [
        dated(OLD, title="Returns (9 January 2026)"),
        dated(NEW, title="Returns (2 February 2023)"),
    ]

    (entry,) = settle(QUESTION, pages).disagreements

    assert not entry.ordered


def test_a_document_that_is_superseded_gives_way_unnamed() -> None:
    old = dated(OLD, title="Returns policy (superseded)", modified_at=NEWER)

    settled = settle(QUESTION, [old, dated(NEW, modified_at=OLDER)])

    assert [piece.text for piece in settled.evidence] == [NEW.text]
    assert settled.disagreements == ()


def test_a_question_about_the_past_keeps_what_the_older_document_says() -> None:
    settled = settle("How many days did customers formerly have to return an item?", [OLD, NEW])

    assert settled.evidence == (OLD, NEW)


def test_two_sentences_of_one_document_are_not_set_against_each_other() -> None:
    settled = settle(QUESTION, [OLD, dated(NEW, uri=OLD.passage.uri)])

    assert settled.evidence == (OLD, dated(NEW, uri=OLD.passage.uri))


def test_a_title_cannot_pass_for_a_citation_or_a_link() -> None:
    (entry,) = settle(QUESTION, [OLD, NEW]).disagreements

    said = note(replace(entry, other=dated(OLD, title="FAQ [7](https://evil.example)")))

    assert "[7]" not in said
    assert "](" not in said
