"""Citation markers in a reply, its sentences as they arrive, and whether the cited evidence supports them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bot.binding import states_enough
from bot.evidence import Evidence
from bot.expectation import AnswerKind, expected, offers
from bot.grounding import Support, support
from bot.sentences import sentence_spans
from knowledge.terms import content_stems

VerdictAction = Literal["kept", "recited", "dropped"]

# Every repetition is bounded, so matching is linear. `[1](target)` is a link and no marker.
_MARKER = re.compile(
    r"\s?[\[【［〔]\s?\^?(?:(?:source|passage|evidence|document|doc|ref)s?\.?\s?)?"
    r"(\d{1,2}(?:\s?[,;、&–-]\s?\d{1,2}){0,9})\s?(?:†[^\[\]【】]{0,60})?[\]】］〕](?!\()",
    re.IGNORECASE,
)
_LEADING_MARKERS = re.compile(rf"(?:{_MARKER.pattern}){{1,10}}[\s.,;]{{0,4}}", re.IGNORECASE)
_OPEN_MARKER = re.compile(r"[\[【［〔][^\]】］〕\n]{0,80}")
_MAX_SENTENCE = 2000
_LOOK_AHEAD = 12
# A model that announces an answer seldom gives one.
_ANNOUNCES = re.compile(r"\W*(?:the |an |my )?answers? (?:to|is|are|would)\b", re.IGNORECASE)
# How far behind the best a piece of evidence may score and still carry an answer.
_LEADING = 2.4


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """One sentence of a reply without its markers; `separator` is the white space that stood before it."""

    text: str
    markers: tuple[int, ...]
    separator: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found: markers that hold (repaired when "recited") and why a sentence was dropped."""

    support: float
    supported: bool
    markers: tuple[int, ...]
    action: VerdictAction
    objection: str = ""


def parse_markers(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the text without its citation markers, and their numbers in order without repetitions."""
    numbers: dict[int, None] = {}
    if text.startswith("```"):
        code, fence, rest = text.rpartition("```")
        return (code + fence, parse_markers(rest)[1]) if code else (text, ())
    for match in _MARKER.finditer(text):
        for part in re.split(r"[,;、&]", match[1]):
            bounds = [int(number) for number in re.split(r"[–-]", part)]
            numbers.update(dict.fromkeys(range(bounds[0], min(bounds[-1], bounds[0] + 9) + 1)))
    bare = re.sub(r"[ \t]+([.,;:!?])", r"\1", _MARKER.sub("", text))
    return bare.strip(), tuple(numbers)


class SentenceStream:
    """Takes a reply piece by piece and gives its sentences as soon as each is complete.

    A sentence is complete when the text behind it cannot belong to it any more: a marker after the full
    stop does, and so does what follows an abbreviation. Code fences come whole. Work is linear in the
    text, because no more than one sentence, at most 2,000 characters, is ever looked at again.
    """

    def __init__(self) -> None:
        self._buffer = ""
        self._next_look = 0

    def feed(self, piece: str) -> list[CitedSentence]:
        """Take the next piece of text and return the sentences that it completes."""
        found: list[CitedSentence] = []
        for start in range(0, len(piece), _MAX_SENTENCE):
            self._buffer += piece[start : start + _MAX_SENTENCE]
            if len(self._buffer) >= self._next_look:
                found.extend(self._complete())
                # Looking again only after a share of growth keeps a sentence without end linear.
                self._next_look = len(self._buffer) + len(self._buffer) // 16
        return found

    def finish(self) -> list[CitedSentence]:
        """Return what is left when the reply ends."""
        spans = _spans(self._buffer)
        found = self._take(spans)
        self._buffer = ""
        self._next_look = 0
        return found

    def _complete(self) -> Iterator[CitedSentence]:
        spans = _spans(self._buffer)
        last = spans[-1] if spans else (0, 0)
        # The last sentence may go on, and the one before it waits until its end is certain.
        tail = self._buffer[last[0] :]
        settled = (len(tail) >= _LOOK_AHEAD or "\n" in tail) and not _OPEN_MARKER.fullmatch(tail)
        done = spans[:-1] if settled else spans[:-2]
        if not done and len(self._buffer) > _MAX_SENTENCE:
            cut = max(self._buffer.rfind(" ", 0, _MAX_SENTENCE), self._buffer.rfind("\n", 0, _MAX_SENTENCE))
            done = [(0, cut if cut > 0 else _MAX_SENTENCE)]
        yield from self._take(done)
        if done:
            self._buffer = self._buffer[done[-1][1] :]

    def _take(self, spans: Sequence[tuple[int, int]]) -> list[CitedSentence]:
        found: list[CitedSentence] = []
        position = 0
        for start, end in spans:
            text, markers = parse_markers(self._buffer[start:end])
            if text:
                found.append(CitedSentence(text, markers, self._buffer[position:start]))
            position = end
        return found


def _spans(text: str) -> list[tuple[int, int]]:
    """Sentences line by line; a fence is one, and a run of markers joins the sentence before it."""
    spans: list[tuple[int, int]] = []
    for start, end in _blocks(text):
        pieces = [(start, end)] if text.startswith("```", start) else _shifted(text[start:end], start)
        for first, last in pieces:
            leading = _LEADING_MARKERS.match(text, first, last) if spans else None
            if leading is not None:
                first = leading.end()
                spans[-1] = (spans[-1][0], first)
            if first < last:
                spans.append((first, last))
    return spans


def _shifted(line: str, offset: int) -> list[tuple[int, int]]:
    return [(start + offset, end + offset) for start, end in sentence_spans(line)]


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Lines, and fences with the lines between them."""
    opened: int | None = None
    position = 0
    for line in text.splitlines(keepends=True):
        end = position + len(line)
        if line.lstrip().startswith("```"):
            if opened is None:
                opened = position + len(line) - len(line.lstrip())
            else:
                yield opened, end
                opened = None
        elif opened is None and line.strip():
            yield position, end
        position = end
    if opened is not None:
        yield opened, position


def verify(
    sentence: str,
    markers: tuple[int, ...],
    evidence: Sequence[Evidence],
    colour: frozenset[str] = frozenset(),
) -> Verdict:
    """Return whether a piece of evidence supports the sentence; `markers` count the evidence from 1.

    `colour` are stems of the voice that claim nothing.

    One piece must carry the whole sentence: of two pieces a small model makes comparisons that neither
    holds. A sentence that its cited pieces do not support gets the marker of the piece that does
    ("recited"); without any it is "dropped".
    """
    held = [_supported_by(sentence, entry, colour) for entry in evidence]
    cited = [marker for marker in markers if 1 <= marker <= len(evidence)]
    sufficient = [number for number, found in enumerate(held, start=1) if found.sufficient]
    if not sufficient:
        tried = [held[marker - 1] for marker in cited] or held or [Support(0.0, "no evidence")]
        closest = max(tried, key=lambda found: found.share)
        return Verdict(
            closest.share, False, (), "dropped", closest.objection or "too little of it is in the source"
        )
    right = [marker for marker in cited if marker in sufficient] or sufficient
    chosen = max(right, key=lambda number: held[number - 1].share)
    action: VerdictAction = "kept" if markers == (chosen,) else "recited"
    return Verdict(held[chosen - 1].share, True, (chosen,), action)


def _supported_by(sentence: str, entry: Evidence, colour: frozenset[str]) -> Support:
    source = f"{entry.lead} {entry.text}".strip()
    return support(sentence, source, f"{entry.passage.title}\n{entry.context}", colour)


def answers(
    question: str, sentence: str, evidence: Sequence[Evidence], markers: tuple[int, ...] = (1,)
) -> bool:
    """Whether a supported sentence answers: it brings what was asked for, not only the question again.

    `markers` are those that verification found to hold. The sentence must rest on leading evidence, share
    content with it that the question lacks, and carry something of the kind that the question asks for
    when that evidence offers it.
    """
    leading = [
        entry for rank, entry in enumerate(evidence) if rank < 2 or evidence[0].score - entry.score < _LEADING
    ]
    rests = [evidence[n - 1] for n in markers if 1 <= n <= len(evidence) and evidence[n - 1] in leading]
    if not rests or not states_enough(sentence) or _ANNOUNCES.match(sentence):
        return False
    source = " ".join(f"{entry.lead} {entry.text}" for entry in rests)
    new = set(content_stems(sentence)) - set(content_stems(question))
    if not new & set(content_stems(source)):
        return _states_polarity(question, sentence)
    kind = expected(question)
    if kind is AnswerKind.OTHER or not offers(kind, source, question):
        return True
    return offers(kind, sentence, question)


def _states_polarity(question: str, sentence: str) -> bool:
    """Whether the sentence answers a yes-or-no question by saying yes or no to it."""
    closed = re.match(
        r"\W*(?:is|are|was|were|do|does|did|can|could|may|will|would|should|has|have|must)\b",
        question,
        re.IGNORECASE,
    )
    return closed is not None and bool(set(content_stems(sentence)) & set(content_stems(question)))
