"""Question and answer pairs from a brand's own writing, without a model.

This is the "delete" step of Li et al. 2018 (arXiv 1804.06437): what is characteristic of the writing is
deleted from a sentence, what is left states its content, and the sentence itself shows how the brand says it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.dataset import DatasetError, Example

SUFFIXES = frozenset({".md", ".markdown", ".txt"})
# Fewer tokens of writing than this say little of how somebody writes; see docs/voices.md.
ENOUGH_TOKENS = 50_000
_MOST_BYTES = 4_000_000
_MOST_FILES = 10_000

_LONGEST_GRAM = 3
# Salience as in the paper; its threshold of 15 is for a hundred times as much text.
_SMOOTHING, _SALIENT = 1.0, 4.0
# A topic's words stand close together, a habit's everywhere.
_BLOCK_WORDS, _SPREAD_SHARE, _FEWEST_BLOCKS = 150, 0.1, 3
_FEWEST_WORDS, _ENOUGH_WORDS, _MOST_WORDS = 5, 10, 40
_LEAST_LEFT, _MOST_LEFT, _FEWEST_LEFT = 0.45, 0.9, 4
_QUESTION_WORDS, _FEWEST_CITED = 3, 3

# Words of grammar that limit what is said, or place it, and so belong to the content.
_CONTENT_WORDS = """
    no not none nor never neither nobody nothing nowhere cannot without all any both each every few fewer more
    most least less some several only once twice first last before after until while when during since if
    unless except against above below over under between up down in out off through around across along away
    bottom side top front back beside behind toward towards into onto from to
    one two three four five six eight nine ten eleven twelve third fifteen twenty forty fifty sixty hundred
    always already still yet everything everyone everybody whole
    put keep take find see go move give call made done show
"""
_STAY = frozenset(_CONTENT_WORDS.split())
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_CONTRACTED = re.compile(r"['’](?:d|ll|m|re|s|ve)$")
_DANGLING = re.compile(
    r"(?:it|they|them|that|those|this|these|he|she|him|her|and|but|or|so|then|which|because|there|here)\b"
    r"(?!['’]s (?:a|an|the)\b)",
    re.IGNORECASE,
)
# What somebody says, or says aside, is torn from who says it.
_SPOKEN = re.compile(r"[\"“”«»()\[\]]|(?<!\w)['‘]")
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[([^\]\[\n]{0,300})\]\([^()\n]{0,500}\)")
_LINE_MARK = re.compile(r"^\s*(?:[-*+>]|\d{1,3}[.)])\s+")
_EMPHASIS = re.compile(r"(?<!\w)[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)|`")


@dataclass(frozen=True, slots=True)
class CopyFile:
    """One file of a brand's writing."""

    path: Path
    text: str


def read_copy(folder: Path) -> tuple[CopyFile, ...]:
    """Read every Markdown and text file below a folder. Raises `DatasetError`."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; name the one that holds the brand's writing.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise DatasetError(f"{folder} holds no .md or .txt files; put the brand's writing there.")
    if len(paths) > _MOST_FILES or sum(path.stat().st_size for path in paths) > _MOST_BYTES:
        raise DatasetError(
            f"{folder} holds more than {_MOST_FILES:,} files or {_MOST_BYTES:,} bytes; give fewer texts."
        )
    try:
        return tuple(CopyFile(path, path.read_text(encoding="utf-8-sig")) for path in paths)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{folder} cannot be read: {error}; save its files as UTF-8.") from error


def pairs_from_copy(
    files: Sequence[CopyFile], neutral: Sequence[str]
) -> tuple[tuple[CopyFile, tuple[Example, ...]], ...]:
    """For each file the examples that it gives; `neutral` are texts that are written without the voice.

    The evidence is a run of sentences without its characteristic words, the answer the run as it was written,
    and the question its rarest words. Numbers, names and negations are never deleted. A run of which too
    little is left, or hardly anything is deleted, gives no example.
    """
    habits = _habits([file.text for file in files], neutral)
    frequency = Counter(_words(" ".join(file.text for file in files)))
    return tuple((file, tuple(_pairs(file.text, habits, frequency))) for file in files)


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def _grams(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for length in range(1, _LONGEST_GRAM + 1):
        for start in range(len(words) - length + 1):
            yield tuple(words[start : start + length])


def _counted(texts: Sequence[str]) -> Counter[tuple[str, ...]]:
    clauses = (clause for text in texts for clause in re.split(r"[.!?:;,\n]", text))
    return Counter(gram for clause in clauses for gram in _grams(_words(clause)))


def _habits(texts: Sequence[str], neutral: Sequence[str]) -> frozenset[tuple[str, ...]]:
    """The n-grams of grammar that the writing has much oftener than neutral text has, in many places."""
    own, other = _counted(texts), _counted(neutral)
    words = [word for text in texts for word in text.split()]
    starts = range(0, len(words), _BLOCK_WORDS)
    blocks = (_counted([" ".join(words[start : start + _BLOCK_WORDS])]) for start in starts)
    spread = Counter(gram for block in blocks for gram in block)
    enough = max(_FEWEST_BLOCKS, len(starts) * _SPREAD_SHARE)
    own_size, other_size = own.total() + 1, other.total() + 1
    return frozenset(
        gram
        for gram, count in own.items()
        if all(map(_may_go, gram))
        and (count + _SMOOTHING) / own_size >= _SALIENT * (other[gram] + _SMOOTHING) / other_size
        and spread[gram] >= enough
    )


def _may_go(word: str) -> bool:
    """Whether a word is one of grammar, or an adverb, that limits nothing."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    plain = _CONTRACTED.sub("", word)
    grammar = plain in ENGLISH_STOP_WORDS or (plain.endswith("ly") and len(plain) > 4)
    return grammar and plain not in _STAY and not plain.endswith("n't")


def _pairs(text: str, habits: frozenset[tuple[str, ...]], frequency: Counter[str]) -> Iterator[Example]:
    for line, sentences in _runs(text):
        run = " ".join(sentences)
        if _DANGLING.match(run) or _SPOKEN.search(run) or run.endswith("?"):
            continue
        left = _without(run, habits)
        words, kept = len(_WORD.findall(run)), len(_WORD.findall(left))
        if words > _MOST_WORDS or kept < _FEWEST_LEFT or not _LEAST_LEFT <= kept / words <= _MOST_LEFT:
            continue
        if question := _question(left, frequency):
            yield Example(question, (("", left),), " ".join(map(_cited, sentences)), line)


def _runs(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each sentence with the number of its paragraph's first line; a short one with the next."""
    from sentencex import segment

    for line, paragraph in _paragraphs(text):
        run: list[str] = []
        for sentence in map(str.strip, segment("en", paragraph)):
            run.append(sentence)
            if len(_WORD.findall(" ".join(run))) >= _ENOUGH_WORDS:
                yield line, run
                run = []
        if len(_WORD.findall(" ".join(run))) >= _FEWEST_WORDS:
            yield line, run


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """The paragraphs and list items without Markdown's marks; headings, tables and code are left out."""
    text = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    started, lines = 0, list[str]()
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        plain = line.strip()
        begins = not plain or plain.startswith(("#", "|")) or _LINE_MARK.match(line) is not None
        if begins and lines:
            yield started, " ".join(lines)
            lines = []
        if plain and not plain.startswith(("#", "|")):
            started = started if lines else number
            lines.append(_EMPHASIS.sub("", _LINK.sub(r"\1", _LINE_MARK.sub("", line))).strip())


def _without(run: str, habits: frozenset[tuple[str, ...]]) -> str:
    """The run without its habits, longer ones first, and without what punctuation then stands alone."""
    spans = [match.span() for match in _WORD.finditer(run)]
    words = _words(run)
    gone = [False] * len(words)
    for length in range(_LONGEST_GRAM, 0, -1):
        for start in range(len(words) - length + 1):
            if tuple(words[start : start + length]) in habits:
                gone[start : start + length] = [True] * length
    pieces, end = [], 0
    for span, word_goes in zip(spans, gone, strict=True):
        pieces.append(run[end : span[0]])
        if not word_goes:
            pieces.append(run[span[0] : span[1]])
        end = span[1]
    left = " ".join("".join((*pieces, run[end:])).split())
    left = re.sub(r"\s+([.,;:!?])", r"\1", left)
    left = re.sub(r"(?:^|(?<=[.!?] ))[.,;:!?–—-]+\s*|[,;:]+(?=[.!?])|(?<=[,;:])[,;:]+", "", left)
    left = left.replace("!", ".").strip(" ,;:–—-")
    return left[:1].upper() + left[1:]


def _question(left: str, frequency: Counter[str]) -> str:
    """The rarest words of content, in their order, as people type them into a search box; "" for too few."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    words = [word for word in dict.fromkeys(_words(left)) if len(word) > 2 and "'" not in word]
    words = [word for word in words if word not in ENGLISH_STOP_WORDS]
    rarest = sorted(words, key=lambda word: (frequency[word], -len(word)))[:_QUESTION_WORDS]
    return " ".join(word for word in words if word in rarest) if len(rarest) > 1 else ""


def _cited(sentence: str) -> str:
    """The sentence with the marker of its only evidence before its last mark; an exclamation has none."""
    if len(_WORD.findall(sentence)) < _FEWEST_CITED:
        return sentence
    bare = sentence.rstrip(".!?…")
    return f"{bare} [1]{sentence[len(bare) :] or '.'}"
