"""Whether a sentence gives a number to the thing that its source gives it to.

"The fee is £50 with Alder and £250 with Birch" holds every word of "The fee with Birch is £50". Words alone
cannot tell, so where the source has several numbers of one kind and the sentence tells only some, it must
follow the source's own order of words.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from bot.facts import Fact, hard_facts
from knowledge.terms import STOP_WORDS, stem, tokens

_MEASURED = frozenset({"amount", "date", "time"})
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)", re.IGNORECASE)
_EXTRACT_SHARE = 0.75


def misbinding(sentence: str, source: str) -> str:
    """Return why a number may belong to something else in the source; empty when it does not."""
    said, known = _measured(sentence), _measured(source)
    for fact in sorted(said & known, key=lambda fact: (fact.kind, fact.value)):
        alike = {other for other in known if (other.kind, other.unit) == (fact.kind, fact.unit)}
        if alike - said and not _is_extract(sentence, source):
            return f"the source has others like {fact.value}, in another order of words"
    return ""


def states_enough(sentence: str) -> bool:
    """Whether a sentence says something by itself: two words of content, or a number that names its unit."""
    words = [word for word in tokens(sentence) if word not in STOP_WORDS and not word.isdigit()]
    bare = all(fact.kind == "amount" and not fact.unit for fact in hard_facts(sentence))
    return len(words) >= 2 or not bare


def _measured(text: str) -> set[Fact]:
    ordinals = {Fact("ordinal", number.lower()) for number in _ORDINAL.findall(text)}
    return ordinals | {fact for fact in hard_facts(text) if fact.kind in _MEASURED}


def _is_extract(sentence: str, source: str) -> bool:
    words, around = _content(sentence), _content(source)
    blocks = SequenceMatcher(None, words, around, autojunk=False).get_matching_blocks()
    shared = sum(block.size for block in blocks)
    lonely = [words[block.a] for block in blocks if block.size == 1]
    bound = not any(character.isdigit() for word in lonely for character in word)
    return bound and shared >= _EXTRACT_SHARE * len(words)


def _content(text: str) -> list[str]:
    return stem([word for word in tokens(text) if word not in STOP_WORDS])
