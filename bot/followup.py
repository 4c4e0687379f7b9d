"""Makes a follow-up question stand alone before it searches, without a language model.

Two signs show that a question leans on the conversation: it is a fragment ("and for opened items?"), or it
points back ("how long does it take?"). A fragment that only names another thing ("and the Heron?") takes the
place of the thing named before. A pronoun is explained by the one thing that the last answer named. Otherwise
the question that it all began with is put in front.
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
_NAME = re.compile(r"\b[A-Z][\w'’-]*(?: (?:[A-Z][\w'’-]*|\d[\w.]*\w|\d))+|(?<![.!?] )(?<!^)\b[A-Z][\w'’-]*")
_LEADING_JOINER = re.compile(r"^\s*(?:(?:and|or|but|so|ok(?:ay)?|then|also)\b[\s,]*)+", re.IGNORECASE)


def stand_alone(question: str, history: Sequence[Turn]) -> str:
    """Return `question` with what it leans on written out; unchanged when it stands alone already."""
    if not history or not leans_on_history(question):
        return question
    standing = ""
    for turn in history[-MAX_TURNS:]:
        if not standing or not leans_on_history(turn.question):
            standing = turn.question
    return _exchanged(question, standing) or _explained(question, history) or _joined(question, standing)


def leans_on_history(question: str) -> bool:
    """Whether the question is a fragment or points back at something said before."""
    own_words = len(set(content_stems(question)))
    if _FRAGMENT.match(question) and own_words <= 4:
        return True
    if own_words <= 1 and len(question.split()) <= 5:
        return True
    pointer = _POINTS_BACK.search(_EXPLAINED_INSIDE.sub(" ", question))
    return pointer is not None and not _NAMED_BEFORE.match(question[: pointer.start()]) and own_words <= 8


def _exchanged(question: str, standing: str) -> str | None:
    """The earlier question about the other thing, when the fragment does nothing but name it."""
    named, before = _names(question), _names(standing)
    if len(named) != 1 or len(before) != 1 or not _FRAGMENT.match(question):
        return None
    beside = set(content_stems(question)) - set(content_stems(named[0]))
    return None if beside else standing.replace(before[0], named[0])


def _explained(question: str, subject: Sequence[Turn]) -> str | None:
    """The question with what it points at, when the answers so far named one thing only."""
    if not _POINTS_BACK.search(question) or _FRAGMENT.match(question):
        return None
    asked = " ".join(turn.question for turn in subject)
    for turn in subject:
        names = [name for name in _names(re.sub(r"\[[\d, ]+\]", "", turn.answer)) if name not in asked]
        if len(names) == 1:
            if _PERSON.search(question):
                return _PERSON.sub(names[0], question, count=1)
            return f"{question.rstrip(' ?')} ({names[0]})?"
        if names:
            return None
    return None


def _joined(question: str, standing: str) -> str:
    fragment = _LEADING_JOINER.sub("", question).strip()
    if _FRAGMENT.match(question):
        return f"{standing.rstrip(' ?.!')}, {fragment[:1].lower()}{fragment[1:]}"
    return f"{standing.rstrip()} {question}"


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(_NAME.findall(text)))
