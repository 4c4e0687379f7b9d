"""Makes a follow-up question stand alone before it searches, without a language model.

Two signs show that a question leans on the conversation: it is a fragment ("and for opened items?"), or it
points back ("how long does it take?"). Then the earlier question it leans on is put in front of it; a person
who was the whole of an earlier answer takes the place of "he" or "she".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.conversation import Turn
from knowledge.terms import content_stems

MAX_TURNS = 6

_FRAGMENT = re.compile(
    r"^\s*(?:(?:and|or|but|so|ok(?:ay)?|then|also)\b[\s,]*)*"
    r"(?:(?:what|how) about|what if|and|or|but|for|with|without|in|on|from|to|if"
    r"|why|why not|which (?:one|ones))\b"
    r"(?! (?:what|which|whom|whose|how|where)\b)",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|that|this|these|those|they|them|their|theirs|he|she|him|her|his|hers|there|then|instead|else|"
    r"the (?:same|other|former|latter|(?:first|second|last) one))\b|\b(?:ones?|too|as well|either)\W*$",
    re.IGNORECASE,
)
_EXPLAINED_INSIDE = re.compile(
    r"\b(?:is|was|are|were) (?:it|there|this|that)\b(?=.*\b(?:to|that|if|any|a|an)\b)"
    r"|\bthat (?:the|a|an|is|are|was|were|can|have|has)\b|\bthis (?:season|year|month|week|quarter)\b",
    re.IGNORECASE,
)
_NAMED_BEFORE = re.compile(r"^\W*\w+\b.*?\b[A-Z][\w'’-]+")
_PERSON = re.compile(r"\b(?:he|she|him|her)\b", re.IGNORECASE)
_NAME = re.compile(r"\b[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)+\b")
_LEADING_JOINER = re.compile(r"^\s*(?:(?:and|or|but|so|ok(?:ay)?|then|also)\b[\s,]*)+", re.IGNORECASE)


def stand_alone(question: str, history: Sequence[Turn]) -> str:
    """Return `question` with what it leans on written out; unchanged when it stands alone already."""
    standing = ""
    for turn in history[-MAX_TURNS:]:
        standing = _resolve(turn.question, standing)
    if not history:
        return question
    named = _name_the_person(question, history[-1].answer)
    return named if named != question else _resolve(question, standing)


def leans_on_history(question: str) -> bool:
    """Whether the question is a fragment or points back at something said before."""
    own_words = len(set(content_stems(question)))
    if _FRAGMENT.match(question) and own_words <= 4:
        return True
    if own_words <= 1 and len(question.split()) <= 5:
        return True
    pointer = _POINTS_BACK.search(_EXPLAINED_INSIDE.sub(" ", question))
    return pointer is not None and not _NAMED_BEFORE.match(question[: pointer.start()]) and own_words <= 8


def _resolve(question: str, earlier: str) -> str:
    if not earlier or not leans_on_history(question):
        return question
    fragment = _LEADING_JOINER.sub("", question).strip()
    if _FRAGMENT.match(question):
        return f"{earlier.rstrip(' ?.!')}, {fragment[:1].lower()}{fragment[1:]}"
    return f"{earlier.rstrip()} {question}"


def _name_the_person(question: str, answer: str) -> str:
    names = set(_NAME.findall(re.sub(r"\[[\d, ]+\]", "", answer)))
    if len(names) != 1 or not _PERSON.search(question):
        return question
    return _PERSON.sub(names.pop(), question, count=1)
