"""An answer made of the evidence itself: what the bot says when no model's words can be trusted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from bot.evidence import Evidence, covered
from bot.expectation import AnswerKind, expected, offers
from knowledge.terms import content_stems, stems

# How far behind the best evidence a further piece may score and still be quoted with it;
# `benchmarks/evidence.py` shows what they cost in words and bring in answers.
_MARGIN_SAME_PASSAGE = 3.6
_MARGIN_OTHER_PASSAGE = 1.2
_MARGIN_WHEN_SURE = 0.6
_SURE_COVERAGE = 0.8
_MAX_PIECES = 3

_CLAUSE_END = re.compile(
    r"(?:;|,| [–—-])(?= (?:which|while|whereas|and|but|although|though|where|who|with|including|such as"
    r"|since|because|so|then|or)\b)|;(?= )| [–—](?= )"
)
_ENDED = re.compile(r"[.!?…:。！？][\"'”’)\]]*$")


@dataclass(frozen=True, slots=True)
class QuotedSentence:
    """A quoted piece, readable by itself; `marker` is the place of its evidence, counted from 1."""

    text: str
    marker: int


def quote(question: str, evidence: Sequence[Evidence], max_words: int = 80) -> tuple[QuotedSentence, ...]:
    """Return the best evidence, completed with what it leans on, and what else the answer needs.

    A further piece is added only when it says something new, scores nearly as well, and fits `max_words`.
    The first piece is always given, even when it alone is longer. Pieces of one passage keep its order.
    """
    if not evidence:
        return ()
    best = evidence[0]
    chosen = [0]
    said = _words_of(best)
    length = len(_rendered(question, best, max_words).split())
    for index, entry in enumerate(evidence[1:], start=1):
        if len(chosen) == _MAX_PIECES:
            break
        if best.score - entry.score > _margin(question, best, entry):
            continue
        words = len(_rendered(question, entry, max_words).split())
        if length + words > max_words or not _adds(entry, said):
            continue
        chosen.append(index)
        said |= _words_of(entry)
        length += words
    return tuple(_in_reading_order(question, evidence, chosen, max_words))


def quote_close(
    question: str, evidence: Sequence[Evidence], max_words: int = 80
) -> tuple[QuotedSentence, ...]:
    """Return the best evidence and what scores so nearly as well that the one may be meant as the other."""
    if not evidence:
        return ()
    best = evidence[0].score
    close = tuple(takewhile(lambda entry: best - entry.score <= _MARGIN_OTHER_PASSAGE, evidence))
    return quote(question, close, max_words)


def _margin(question: str, best: Evidence, entry: Evidence) -> float:
    kind = expected(question)
    if best.coverage >= _SURE_COVERAGE and kind is not AnswerKind.OTHER and offers(kind, best.text, question):
        return _MARGIN_WHEN_SURE
    # Rows and items stand beside each other without explaining each other, as sentences do.
    same = entry.passage.passage_id == best.passage.passage_id and best.kind == "sentence"
    return _MARGIN_SAME_PASSAGE if same else _MARGIN_OTHER_PASSAGE


def _words_of(entry: Evidence) -> set[str]:
    return set(content_stems(f"{entry.lead} {entry.text}"))


def _adds(entry: Evidence, said: set[str]) -> bool:
    return len(set(content_stems(entry.text)) - said) >= 2


def _in_reading_order(
    question: str, evidence: Sequence[Evidence], chosen: Sequence[int], max_words: int
) -> list[QuotedSentence]:
    first = {entry.passage.passage_id: rank for rank, entry in reversed(list(enumerate(evidence)))}
    reads_on = evidence[0].kind == "sentence"
    order = sorted(
        chosen, key=lambda i: (first[evidence[i].passage.passage_id], evidence[i].start if reads_on else i)
    )
    pieces: list[QuotedSentence] = []
    said = ""
    for index in order:
        entry = evidence[index]
        # The sentence that this one leans on may have been quoted just before.
        lead = "" if entry.kind == "sentence" and entry.lead and entry.lead in said else entry.lead
        text = _rendered(question, entry, max_words, lead)
        said = f"{said} {text}"
        pieces.append(QuotedSentence(text, index + 1))
    return pieces


def _rendered(question: str, entry: Evidence, max_words: int, lead: str | None = None) -> str:
    lead = entry.lead if lead is None else lead
    if lead.endswith("?"):
        lead = ""
    if entry.kind == "code":
        return "\n".join(part for part in (lead, f"```\n{entry.text}\n```") if part)
    if entry.kind == "list":
        return entry.text
    heading = entry.context.split(" | ")[0].rpartition(" > ")[2] if entry.context != lead else ""
    if entry.kind == "row":
        row = _row(question, entry.text, max_words)
        return _ended(row if not lead else f"{lead.rstrip(':.')}: {row}")
    if entry.kind == "item":
        above = lead.rstrip(":.") if lead else heading
        return _ended(f"{above}: {entry.text}" if above else entry.text)
    text = _trimmed(question, entry.text, max_words)
    return f"{lead} {_ended(text)}" if lead else _ended(text)


def _ended(text: str) -> str:
    return text if _ENDED.search(text) or text.rstrip().endswith(("`", "/")) else f"{text}."


def _row(question: str, text: str, max_words: int) -> str:
    """A row as "**Cascade 2** — Price: $129; Weight: 410 g"; a wide one loses columns nobody asked for."""
    cells = [(name, value) for name, _, value in (cell.partition(": ") for cell in text.split("; "))]
    # The first column of a table often has no name of its own.
    subject = cells[0][1] or cells[0][0]
    rest = cells[1:]
    if not all(value for _, value in rest):
        return text
    asked = set(content_stems(question))
    if len(text.split()) > max_words:
        kind = expected(question)
        rest = [
            (name, value)
            for name, value in rest
            if asked & set(stems(f"{name} {value}"))
            or (kind is not AnswerKind.OTHER and offers(kind, value, question))
        ] or rest
    if not rest:
        return f"**{subject}**"
    return f"**{subject}** — " + "; ".join(f"{name}: {value}" for name, value in rest)


def _trimmed(question: str, sentence: str, max_words: int) -> str:
    """A long sentence up to a clause's end, if that part alone has what was asked for; else the whole."""
    kind = expected(question)
    if len(sentence.split()) <= max_words or kind is AnswerKind.OTHER:
        return sentence
    weights = dict.fromkeys(content_stems(question), 1.0)
    needed = covered(weights, stems(sentence))
    for match in reversed(list(_CLAUSE_END.finditer(sentence))):
        part = sentence[: match.start()]
        if len(part.split()) > max_words or part.count("(") != part.count(")"):
            continue
        if covered(weights, stems(part)) == needed and offers(kind, part, question):
            return f"{part} …"
        break
    return sentence
