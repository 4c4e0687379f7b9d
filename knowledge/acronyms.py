"""Acronyms that documents explain, "paid time off (PTO)" or "PTO (paid time off)", or just write out.

A simpler form of Schwartz and Hearst 2003, "A Simple Algorithm for Identifying Abbreviation Definitions in
Biomedical Text": each letter of the acronym is the first of a word, and only stop words may be passed over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from knowledge.alternatives import Alternative
from knowledge.terms import STOP_WORDS, stem, tokens

_ACRONYM = r"[A-Z][A-Z0-9]{1,6}"
_IN_BRACKETS = re.compile(r"\(([^()\n]{2,100})\)")
_WHOLE = re.compile(rf"({_ACRONYM})s?")
_LAST = re.compile(rf"(?<![\w-])({_ACRONYM})s?\s?$")
# What `_LAST` can match, and one more for what may not stand before.
_LAST_LENGTH = 11
_LONGEST = 120
# Two letters stand for too much to be taken for an acronym without capitals, or without an explanation.
_LEAST_LETTERS = 3
_MOST_MEANINGS = 4
_MOST_BEFORE = 2
_CAPITALISED = re.compile(
    r"[A-Z][\w'’-]*(?:(?:[ \t]+(?:of|and|the|for|to|in|on|a)\b){0,2}[ \t]+[A-Z][\w'’-]*){1,6}"
)
_IN_CAPITALS = re.compile(rf"\b({_ACRONYM})s?\b")


def acronyms_in(question: str) -> tuple[str, ...]:
    """Return the words of a question that are written like acronyms, in small letters; not when all is."""
    if question.isupper() and len(question.split()) > 1:
        return ()
    return tuple(dict.fromkeys(word.lower() for word in _IN_CAPITALS.findall(question) if not word.isdigit()))


def explained(question: str, texts: Iterable[str], common: Collection[str]) -> tuple[Alternative, ...]:
    """Return what texts say that the question's acronyms mean, and their acronyms for words of the question.

    An acronym in capitals that no text explains stands for a run of capitalised words with its initials; one
    that is also a common word needs its capitals.
    """
    asked = tokens(question)
    asked_stems = stem(asked)
    in_capitals = acronyms_in(question)
    found: dict[Alternative, None] = {}
    read = list(texts)
    for acronym, words in (pair for text in read for pair in _definitions(text)):
        is_plain = len(acronym) >= _LEAST_LETTERS and acronym not in common
        if acronym in in_capitals or (is_plain and acronym in asked):
            found[Alternative((acronym,), words)] = None
        place = _place(stem(words), asked_stems)
        if is_plain and place is not None:
            found[Alternative(tuple(asked[place : place + len(words)]), (acronym,))] = None
    explained_ones = {alternative.asked[0] for alternative in found}
    wanted = [word for word in in_capitals if word not in explained_ones and len(word) >= _LEAST_LETTERS]
    for acronym, words in _written_out(wanted, read):
        found[Alternative((acronym,), words)] = None
    return tuple(islice(found, _MOST_MEANINGS))


def _definitions(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for match in _IN_BRACKETS.finditer(text):
        before, inside = text[max(0, match.start() - _LONGEST) : match.start()], match[1]
        if acronym := _WHOLE.fullmatch(inside):
            words = _with_initials(acronym[1].lower(), tokens(before))
        elif acronym := _LAST.search(before[-_LAST_LENGTH:]):
            words = _with_initials(acronym[1].lower(), tokens(inside))
            words = words if len(words) == len(tokens(inside)) else ()
        if acronym and words:
            yield acronym[1].lower(), words


def _written_out(acronyms: Collection[str], texts: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for text in texts if acronyms else ():
        for run in _CAPITALISED.findall(text):
            written = tokens(run)
            for acronym in acronyms:
                # The first word of a sentence may stand before what is meant.
                words = _with_initials(acronym, written)
                if words and len(written) - len(words) <= _MOST_BEFORE:
                    yield acronym, words


def _with_initials(acronym: str, words: Sequence[str]) -> tuple[str, ...]:
    """The last of `words` whose initials are the acronym's letters; empty when they are not."""
    *before, last = words or ("",)
    if not last.startswith(acronym[-1]) or (len(acronym) == 1 and last in STOP_WORDS):
        return ()
    passed: list[str] = []
    while len(acronym) > 1:
        found = _with_initials(acronym[:-1], before)
        if found:
            return (*found, *passed, last)
        if not before or before[-1] not in STOP_WORDS:
            return ()
        passed.insert(0, before.pop())
    return (last,)


def _place(words: Sequence[str], among: Sequence[str]) -> int | None:
    length = len(words)
    return next(
        (place for place in range(len(among) - length + 1) if among[place : place + length] == list(words)),
        None,
    )
