"""Words as the lexical index sees them: tokens, stop words and stems.

Tokens follow SQLite FTS5's `unicode61 remove_diacritics 2` and stems its `porter`
(https://www.sqlite.org/fts5.html#tokenizers), so that a stem made here is the stem found in the index.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_DIACRITIC = re.compile("[\u0300-\u036f]")
_NO_WORD_BEYOND_ASCII = re.compile(r"[^\w\x00-\x7f]")
# A blank for each byte of UTF-8 that is part of no word: a third of the time of a regular expression.
_BLANKED = bytes(byte if byte > 0x7F or chr(byte).isalnum() else 0x20 for byte in range(256))
_LONGEST_REMEMBERED = 40

# FTS5 has Porter's later rules too: logi -> log and bli -> ble, after a vowel and a consonant.
_LATER_RULES = re.compile(r"[aeiouy][^aeiouy].*(?:logi|bli)$")

# English function words, question words, and what `unicode61` leaves of contractions ("don't" is don + t).
_STOP_WORDS = """
    a about above after again against all also am an and any anyone anything are aren as at be
    because been before being below between both but by can cannot could couldn d did didn do
    does doesn doing don done down during each either else etc even ever every few for from
    further get gets getting give given gives go goes got had hadn has hasn have haven having he
    hello help her here hers herself hey hi him himself his how however i if in into is isn it
    its itself just know let like ll m many may maybe me might more most much must my myself
    need no nor not now of off ok on once one only or other our ours ourselves out over own
    please re really s same say says shall she should shouldn so some somebody someone something
    such t tell than thank thanks that the their theirs them themselves then there these they
    thing things this those through to too under until up upon us ve very want was wasn we were
    weren what whatever when where which while who whom whose why will with within without won
    would wouldn yes yet you your yours yourself yourselves
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


def tokens(text: str) -> list[str]:
    """Return the words of the text in order, lower case, without diacritics and punctuation."""
    if text.isascii():
        lower = text.lower()
    else:
        bare = _DIACRITIC.sub("", unicodedata.normalize("NFD", text))
        lower = _NO_WORD_BEYOND_ASCII.sub(" ", unicodedata.normalize("NFC", bare).lower())
    return lower.encode().translate(_BLANKED).decode().split()


def stem(words: Sequence[str]) -> list[str]:
    """Return the Porter stem of each word (Porter 1980, "An algorithm for suffix stripping")."""
    return [_stem(word) if len(word) <= _LONGEST_REMEMBERED else _stem.__wrapped__(word) for word in words]


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    import Stemmer

    # FTS5 leaves words of two letters alone.
    if len(word) < 3:
        return word
    # A stemmer is not thread-safe, and making one takes less than a microsecond.
    stemmed: str = Stemmer.Stemmer("porter", 0).stemWord(word)
    return stemmed[:-1] if _LATER_RULES.search(stemmed) else stemmed


def stems(text: str) -> list[str]:
    """Return the stems of all words of the text, in order, with repetitions."""
    return stem(tokens(text))


def content_words(text: str) -> list[str]:
    """Return the words of the text that are not stop words, in order; all of them when nothing remains."""
    words = tokens(text)
    return [word for word in words if word not in STOP_WORDS] or words


def content_stems(text: str) -> list[str]:
    """Return the stems of the text's content words, in order, with repetitions."""
    return stem(content_words(text))
