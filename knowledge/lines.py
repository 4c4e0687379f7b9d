"""On which line of the original file a passage begins, where its Markdown is the file's own text."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from pathlib import PurePosixPath

from knowledge.conversion import TEXT_SUFFIXES, visible
from knowledge.converters.source_code import CODE_SUFFIXES
from knowledge.documents import Passage, RawDocument
from knowledge.outline import FENCE

_MOST_BYTES = 5_000_000
_ANCHORS = 3
_CANDIDATES = 50
_NEAR = 40
_TELLING_CHARACTERS = 20


def line_numbers(raw: RawDocument, markdown: str, passages: Sequence[Passage]) -> tuple[int | None, ...]:
    """Find for each passage the line of `raw`, counted from 1, on which its text begins.

    Passages are in the order of the text, so each is looked for behind the one before. None for what is not
    found: text that was changed in conversion, types other than Markdown, text and source code, files over
    5 MB, and those not in UTF-8.
    """
    suffix = PurePosixPath(raw.name).suffix.lower()
    is_code = suffix in CODE_SUFFIXES
    if not (is_code or suffix in TEXT_SUFFIXES) or len(raw.content) > _MOST_BYTES:
        return (None,) * len(passages)
    original = _Original(raw.content.decode(errors="replace"))
    found = []
    for passage in passages:
        lines = _lines(markdown[passage.start : passage.end])
        # Fences stand round code since its conversion.
        found.append(original.next_line_of([line for line in lines if not (is_code and FENCE.match(line))]))
    return tuple(found)


def _lines(text: str) -> list[str]:
    """The lines with anything on them, with single blanks."""
    return [words for line in text.split("\n") if (words := " ".join(line.split()))]


class _Original:
    """The lines of a file, in which passages are looked for from top to bottom."""

    def __init__(self, text: str) -> None:
        numbered = [
            (number, words)
            for number, line in enumerate(text.split("\n"), start=1)
            for words in _lines(visible(line))
        ]
        self._numbers = [number for number, _words in numbered]
        self._lines = [words for _number, words in numbered]
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, words in enumerate(self._lines):
            self._places[words].append(place)
        self._reached = 0

    def next_line_of(self, wanted: Sequence[str]) -> int | None:
        """The number of the line where the lines of a passage come next, or of its second or third line."""
        for first in range(min(_ANCHORS, len(wanted))):
            place = self._with_whole(wanted[first:])
            if place is None and first == 0:
                place = self._with_part(wanted)
            if place is not None:
                self._go_behind(wanted[first:], place)
                return self._numbers[place]
        return None

    def _with_whole(self, wanted: Sequence[str]) -> int | None:
        """The next place that has the first of these lines, and the second below it."""
        places = self._places.get(wanted[0], [])
        start = bisect_left(places, self._reached)
        candidates = places[start : start + _CANDIDATES]
        if len(wanted) > 1 and wanted[1] in self._places:
            candidates = [place for place in candidates if self._lines[place + 1 : place + 2] == [wanted[1]]]
        return next(iter(candidates), None)

    def _with_part(self, wanted: Sequence[str]) -> int | None:
        """The place, near by, of the line at whose end a passage begins, or in which it is."""
        if len(wanted[0]) < _TELLING_CHARACTERS:
            return None
        for place in range(self._reached, min(self._reached + _NEAR, len(self._lines))):
            line = self._lines[place]
            if line.endswith(wanted[0]) if len(wanted) > 1 else wanted[0] in line:
                return place
        return None

    def _go_behind(self, wanted: Sequence[str], place: int) -> None:
        """Go on at the first line that these do not fill."""
        count = 1 if len(wanted) > 1 else int(self._lines[place] == wanted[0])
        following = zip(self._lines[place + count : place + len(wanted)], wanted[count:], strict=False)
        count += sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], following))
        self._reached = place + count
