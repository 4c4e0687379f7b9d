"""Questions to begin with: made of the headings that somebody may read, kept where the index answers them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from bot.answerability import CERTAINLY_ANSWERABLE, answerability
from bot.evidence import EvidenceSelector
from bot.live_index import LiveIndex, OneIndex
from knowledge.documents import FoundPassage, Reader
from knowledge.terms import STOP_WORDS

MOST = 4

# How many headings are looked at, and how many questions are tried: each costs a search.
_HEADINGS = 400
_TRIED = 24
_READ = 5
_KEPT_STATES = 100

_ASKS = re.compile(r".{8,100}\?")
_HOW_TO = re.compile(r"how to (.{4,80})", re.IGNORECASE)
_NAMES_SOMETHING = re.compile(r"\w[\w'’-]*(?: [\w'’-]+){1,5}")


class Suggestions:
    """Suggested questions, found anew for another index or reader; for one thread at a time."""

    def __init__(self, index: LiveIndex, selector: EvidenceSelector) -> None:
        self._index = index
        self._selector = selector
        self._found: dict[tuple[str, tuple[int, ...]], tuple[str, ...]] = {}

    def for_reader(self, reader: Reader) -> tuple[str, ...]:
        """At most 4 questions that the passages answer which this reader may see."""
        with self._index.reading() as index:
            state = (index.catalog.stamp(), index.catalog.readable_audiences(reader))
            if state not in self._found:
                if len(self._found) >= _KEPT_STATES:
                    self._found.clear()
                self._found[state] = self._look(index, reader, state[1])
            return self._found[state]

    def _look(self, index: OneIndex, reader: Reader, audiences: tuple[int, ...]) -> tuple[str, ...]:
        headings = index.catalog.headings(audiences, _HEADINGS)
        found: dict[str, None] = {}
        for question, title in islice(candidates(headings), _TRIED):
            passages = index.find(question, reader, _READ)
            if self._is_answered(index, question, title, passages):
                found[_as_written(question, passages)] = None
            if len(found) == MOST:
                break
        return tuple(found)

    def _is_answered(
        self, index: OneIndex, question: str, title: str, passages: tuple[FoundPassage, ...]
    ) -> bool:
        """Whether the document that gave the question answers it best, and beyond doubt."""
        weights = index.term_weights(question)
        evidence = self._selector.select(question, passages, weights)
        certain = answerability(question, evidence, passages, weights) >= CERTAINLY_ANSWERABLE
        return certain and evidence[0].passage.title == title


def candidates(headings: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Questions that headings ask or suggest, each with its document's title; those that are asked first.

    `headings` are pairs of a document's title and the path of a heading in it, joined by " > ". A document
    gives at most one question of each sort.
    """
    pairs = [(title, path.rpartition(" > ")[2]) for title, path in headings]
    for make in (_asked, _about):
        seen: set[str] = set()
        for title, heading in pairs:
            question = make(heading)
            if question is not None and title not in seen:
                seen.add(title)
                yield question, title


def _asked(heading: str) -> str | None:
    if _ASKS.fullmatch(heading):
        return heading
    how = _HOW_TO.fullmatch(heading)
    return f"How do I {how[1]}?" if how else None


def _about(heading: str) -> str | None:
    first = heading.partition(" ")[0].lower()
    return f"{_ABOUT}{heading}?" if _NAMES_SOMETHING.fullmatch(heading) and first not in STOP_WORDS else None


_ABOUT = "What should I know about "


def _as_written(question: str, passages: Iterable[FoundPassage]) -> str:
    """A heading's first word inside a question begins small, if the passages write it so."""
    if not question.startswith(_ABOUT):
        return question
    first = question.removeprefix(_ABOUT).split()[0]
    small = re.compile(rf"\b{re.escape(first.lower())}\b")
    is_small = first.endswith("ing") or any(small.search(passage.text) for passage in passages)
    return question.replace(first, first.lower(), 1) if is_small else question
