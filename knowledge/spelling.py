"""Spellings near a word: those that one slip of the finger, or of the memory, may have been meant for.

After Norvig, "How to Write a Spelling Corrector" (https://norvig.com/spell-correct.html): every string at one
deletion, transposition, replacement or insertion is made, so that a few hundred look-ups in the index tell
which are words there, and no list of its words has to be kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import ascii_lowercase

LEAST_LETTERS = 4
_MOST_LETTERS = 24
# How tokenizers mark the beginning of a word (SentencePiece, byte-level BPE) or its going on (WordPiece).
_BEGINS = ("▁", "Ġ")
_GOES_ON = "##"
_VOWELS = frozenset("aeiouy")


def near_spellings(word: str) -> dict[str, int]:
    """Return every string at one edit from a word in small letters, with how unlikely the slip is, from 0.

    0: neighbouring letters exchanged, or a letter doubled or not; 1: a letter too many or too few, or a vowel
    for a vowel; 2: another letter instead; and 1 more where the first letter is another. Empty for words of
    fewer than 4 letters and for what is too long to be a word.
    """
    if not LEAST_LETTERS <= len(word) <= _MOST_LETTERS:
        return {}
    letters = ascii_lowercase + "".join(sorted(set(word) - set(ascii_lowercase)))
    near: dict[str, int] = {}

    def add(other: str, cost: int) -> None:
        cost += other[0] != word[0]
        near[other] = min(cost, near.get(other, cost))

    for place in range(len(word)):
        before, here, after = word[:place], word[place], word[place + 1 :]
        add(before + after, 0 if here in (before[-1:], after[:1]) else 1)
        if after:
            add(before + after[0] + here + after[1:], 0)
        for letter in letters:
            add(before + letter + after, 1 if {letter, here} <= _VOWELS else 2)
            add(before + letter + here + after, 0 if letter in (before[-1:], here) else 1)
            add(word + letter, 1)
    del near[word]
    return near


def common_words(tokenizer_file: Path) -> frozenset[str]:
    """Return the words that a model's tokenizer knows as wholes: thousands of right spellings.

    The file is a `tokenizer.json` (https://huggingface.co/docs/tokenizers); one without a list of words, or
    one that cannot be read, knows none.
    """
    try:
        listed = json.loads(tokenizer_file.read_text(encoding="utf-8"))["model"]["vocab"]
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
    pieces = [entry if isinstance(entry, str) else entry[0] for entry in listed]
    marked = [piece[1:] for piece in pieces if piece.startswith(_BEGINS)]
    words = marked or [piece for piece in pieces if not piece.startswith(_GOES_ON)]
    return frozenset(word.lower() for word in words if word.isalpha() and len(word) >= LEAST_LETTERS)
