"""How far a sentence is supported by a text: shared words, hard facts, and nothing turned round."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.binding import misbinding
from bot.contradiction import contradiction
from bot.facts import hard_facts, is_measure, missing_facts
from knowledge.terms import STOP_WORDS, stem, stems, tokens

# Chosen on people's labels (BEGIN, https://github.com/google/BEGIN-dataset): `benchmarks/grounding.py`.
SUPPORT_THRESHOLD = 0.72

# Words that carry a voice's colour and claim nothing.
_COLOURFUL = """
    absolutely according answer certainly course document documents folks friend glad great happy hey hooray
    indeed luckily lucky news note oh passage question remember source sources sure welcome well wow yay
    yeah yep
"""
_COLOUR = frozenset(_COLOURFUL.split())
_SELF = re.compile(r"\b(?:i|i['’ ]?(?:m|ve|ll|d)|me|my|mine|myself)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_UNIVERSAL = frozenset(("all", "always", "every", "everyone", "everything", "everywhere", "guaranteed"))
_NEARLY_UNIVERSAL = _UNIVERSAL | {"each", "any", "anyone", "whole", "never", "none", "no", "throughout"}


@dataclass(frozen=True, slots=True)
class Support:
    """How a text supports a sentence: `share` of its content stems, and the first thing that contradicts.

    `objection` is empty when nothing contradicts; else a few words: "320 is not in the source".
    """

    share: float
    objection: str = ""

    @property
    def sufficient(self) -> bool:
        """Whether the text supports the sentence."""
        return not self.objection and self.share >= SUPPORT_THRESHOLD


def support(sentence: str, source: str, around: str = "", colour: frozenset[str] = frozenset()) -> Support:
    """Return how far `source` supports `sentence`.

    `colour` are stems that the speaker's voice uses without claiming anything. `around` are words that stand
    with the source without being part of it (title, headings): they count for words and facts, not for
    negation. Lexical precision is a strong baseline for attribution (Dziri et al. 2022, "Evaluating
    Attribution in Dialogue Systems: The BEGIN Benchmark"); objections are what it misses.
    """
    whole = f"{around}\n{source}"
    objection = _objection(_uncoloured(sentence, colour), source, whole)
    return Support(lexical_precision(sentence, whole, colour), objection)


def _objection(sentence: str, source: str, whole: str) -> str:
    if sentence.rstrip().endswith("?"):
        return "a question states nothing"
    if _SELF.search(sentence) and not _SELF.search(source):
        return "the speaker is not in the source"
    if facts := missing_facts(hard_facts(sentence), hard_facts(whole), whole):
        return f"{facts[0]} is not in the source"
    generalising = set(tokens(sentence)) & _UNIVERSAL
    if generalising and not set(tokens(source)) & _NEARLY_UNIVERSAL:
        return f"the source does not say {min(generalising)}"
    return contradiction(sentence, source) or misbinding(sentence, source)


def _uncoloured(sentence: str, colour: frozenset[str]) -> str:
    """The sentence without the words of `colour`, which are near to no number and turn nothing round."""
    if not colour:
        return sentence
    return _WORD.sub(lambda word: "" if stem([word[0].lower()])[0] in colour else word[0], sentence)


def lexical_precision(sentence: str, source: str, colour: frozenset[str] = frozenset()) -> float:
    """Return the share of the sentence's content stems that occur in the source; 0 when it has none.

    Stems of `colour` count neither way. Numbers and units do not count, because hard facts compare them; a
    sentence of nothing else has share 1.
    """
    content = [word for word in tokens(sentence) if word not in STOP_WORDS and word not in _COLOUR]
    words = [word for word in content if not is_measure(word)]
    if not words:
        return float(bool(content))
    known = set(stems(source))
    claimed = [word for word in stem(words) if word not in colour or word in known]
    if not claimed:
        return float(len(words) < len(content))
    return sum(word in known for word in claimed) / len(claimed)
