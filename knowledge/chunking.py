"""Markdown to passages that fit the embedder, each within one section and with its heading path."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from math import ceil, inf
from pathlib import Path
from typing import Any

from knowledge.documents import KnowledgeError, MarkdownDocument, Passage, UnreadableError
from knowledge.outline import FENCE, Block, Kind, sections

_ALGORITHM = "2"
_MOST_PASSAGES = 50_000
# A word of any length can be one token (WordPiece's [UNK]); what is longer than this counts as more.
_CHARACTERS_A_TOKEN = 20

# What it costs to begin a passage with a block, with a later sentence, row or line of one, or after a
# colon, against the squared relative distance from the wanted size: half the wanted size costs 0.25.
_COST = {Kind.TEXT: 0.0, Kind.ITEM: 0.03, Kind.NESTED_ITEM: 0.1, Kind.TABLE: 0.03, Kind.CODE: 0.05}
_COST_WITHIN = {Kind.TEXT: 0.08, Kind.ITEM: 0.15, Kind.NESTED_ITEM: 0.2, Kind.TABLE: 0.1, Kind.CODE: 0.1}
_COST_WITHIN_SENTENCE = 0.5
_COST_WITHIN_PARAGRAPH = 0.3
_COST_AFTER_COLON = 0.3

# So much at a time goes to the libraries, which take some hundred bytes for each sentence and each token.
_CHARACTERS_AT_A_TIME = 50_000
_TEXTS_AT_A_TIME = 1_000

_LONGEST_FENCE = 40
_PARAGRAPHS = re.compile(r"(?:[^\n]++\n?)++\n*+|\n++")
_LINES = re.compile(r"[^\n]+\n*|\n+")
_WORDS = re.compile(r"\s*(?:\S{1,80}\s*){1,8}")


@dataclass(frozen=True, slots=True)
class _Atom:
    """A stretch of the Markdown that is not divided; sizes in tokens.

    `cost` is that of beginning a passage with it; such a passage gets `header`, a table's header rows or the
    opening of a code fence, in front. `opens` tells that it begins a block.
    """

    kind: Kind
    start: int
    end: int
    cost: float = 0.0
    opens: bool = False
    size: int = 0
    header: str = ""
    header_size: int = 0


class Chunker:
    """Splits documents into passages of about `target_words`, which fit `max_tokens` with their context.

    `tokenizer_file` is a `tokenizer.json` of Hugging Face's tokenizers. Raises `KnowledgeError` when it
    cannot be loaded, or when `max_tokens` is under 64 or `target_words` under 10.
    """

    def __init__(self, tokenizer_file: Path, max_tokens: int = 256, target_words: int = 200) -> None:
        if max_tokens < 64 or target_words < 10:
            raise KnowledgeError("Passages need at least 64 tokens (max_tokens) and 10 words (target_words).")
        self._tokens = _Tokens(tokenizer_file)
        self._room = max_tokens - self._tokens.special
        self._most_context = max_tokens // 4
        self._target_words = target_words
        settings = f"{_ALGORITHM} {max_tokens} {target_words} {self._tokens.digest}"
        self._fingerprint = hashlib.sha256(settings.encode()).hexdigest()[:16]

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same document may be split differently."""
        return self._fingerprint

    def split(self, document: MarkdownDocument) -> tuple[Passage, ...]:
        """Split a document at its headings, and long sections into passages of about the same length.

        A passage ends with a paragraph, list item, table row or sentence where it can; tables and code are
        kept whole where they fit. Everything with a letter or digit in it that is not a heading is in exactly
        one passage; a document of nothing but headings is split as if they were text. `text` is the Markdown
        between `start` and `end`, except that a later part of a divided table has the header rows in front,
        and one of divided code the opening of its fence, which the passage's end closes
        (https://spec.commonmark.org/0.31.2/#fenced-code-blocks). Code is divided at blank lines where it can.

        A long section is divided so that the squared relative distances from an even size, and the costs of
        beginning in the middle of something, are least in sum, in the manner of Knuth and Plass,
        "Breaking paragraphs into lines" (https://doi.org/10.1002/spe.4380111102). Raises `UnreadableError`
        when there are more than 50,000 passages.
        """
        passages: list[Passage] = []
        for section in sections(document.markdown):
            headings = [
                text for level, text in section.headings if level > 1 or not _same(text, document.title)
            ]
            passages.extend(self._passages(document, " > ".join(headings), section.blocks))
            if len(passages) > _MOST_PASSAGES:
                raise UnreadableError(
                    f"{document.title} makes more than {_MOST_PASSAGES:,} passages; split the file."
                )
        if not passages:
            passages.extend(self._passages(document, "", [Block(Kind.TEXT, 0, len(document.markdown))]))
        return tuple(passages)

    def embedding_text(self, title: str, passage: Passage) -> str:
        """Give what is embedded and indexed for a passage: title, heading path and text, one after the other.

        It fits `max_tokens`, special tokens included. Where it would not, the end of the title and the
        beginning of the heading path are cut to a quarter of the tokens each; a passage of `split` then fits
        under its document's title, and of any other the end is cut.
        """
        whole = "\n".join(part for part in (title, passage.heading, passage.text) if part)
        if self._tokens.count(whole) <= self._room:
            return whole
        context = self._context(title, passage.heading)
        return context + self._tokens.first(passage.text, self._room - self._tokens.count(context))

    def _context(self, title: str, heading: str) -> str:
        cut = (self._tokens.first(title, self._most_context), self._tokens.last(heading, self._most_context))
        return "".join(f"{part}\n" for part in cut if part)

    def _passages(
        self, document: MarkdownDocument, heading: str, blocks: Sequence[Block]
    ) -> Iterator[Passage]:
        if not blocks:
            return
        markdown = document.markdown
        budget = self._room - self._tokens.count(self._context(document.title, heading))
        start, end = blocks[0].start, blocks[-1].end
        words = len(markdown[start:end].split())
        short = words < 1.5 * self._target_words and end - start <= budget * _CHARACTERS_A_TOKEN
        if short and self._tokens.sizes([markdown[start:end]])[0] <= budget:
            divisions = [(_Atom(Kind.TEXT, start, end), end)]
        else:
            atoms = list(_joined(_fitting(markdown, _pieces(markdown, blocks), budget, self._tokens), budget))
            total = sum(atom.size for atom in atoms)
            parts = max(ceil(total / (0.95 * budget)), round(words / self._target_words))
            divisions = _best_division(atoms, budget, total / parts)
        for first, last_end in divisions:
            text = markdown[first.start : last_end]
            if any(character.isalnum() for character in text):
                blank = "\n" if first.kind is Kind.CODE else None  # The indentation of code has a meaning.
                begin = first.start + len(text) - len(text.lstrip(blank))
                text = text.lstrip(blank).rstrip()
                yield Passage(heading, first.header + text, begin, begin + len(text))


class _Tokens:
    """Counts and cuts by the tokens of one tokenizer, special tokens left out."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        try:
            content = file.read_bytes()
            self._tokenizer: Any = Tokenizer.from_buffer(content)
        except Exception as error:  # tokenizers raises nothing more special
            raise KnowledgeError(f"The tokenizer {file} cannot be loaded: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.special: int = self._tokenizer.num_special_tokens_to_add(False)
        self.digest = hashlib.sha256(content).hexdigest()

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, those of very long words by their characters."""
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        pairs = zip(texts, encodings, strict=True)
        return [max(len(encoding), ceil(len(text) / _CHARACTERS_A_TOKEN), 1) for text, encoding in pairs]

    def first(self, text: str, most: int) -> str:
        text = text[: most * _CHARACTERS_A_TOKEN]
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return text if len(offsets) <= most else text[: offsets[most - 1][1]]

    def last(self, text: str, most: int) -> str:
        text = text[-most * _CHARACTERS_A_TOKEN :]
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return text if len(offsets) <= most else text[offsets[-most][0] :]


def _pieces(markdown: str, blocks: Sequence[Block]) -> Iterator[_Atom]:
    """Yield the sentences of text and list items, and whole tables and code, of any size."""
    for block in blocks:
        lead_in = markdown[max(block.start - 20, 0) : block.start].rstrip().endswith(":")
        cost = _COST[block.kind] + (_COST_AFTER_COLON if lead_in else 0.0)
        whole = block.kind in (Kind.TABLE, Kind.CODE)
        spans = iter([(block.start, block.end)]) if whole else _sentences(markdown, block)
        yield _Atom(block.kind, *next(spans), cost, opens=True)
        for start, end in spans:
            yield _Atom(block.kind, start, end, _COST_WITHIN[block.kind])


def _sentences(markdown: str, block: Block) -> Iterator[tuple[int, int]]:
    """Yield the spans of the sentences by sentencex, which knows abbreviations (https://github.com/wikimedia/sentencex)."""
    from sentencex import get_sentence_boundaries

    start = block.start
    while start < block.end:
        text = markdown[start : min(start + _CHARACTERS_AT_A_TIME, block.end)]
        found = [
            sentence["start_index"]
            for sentence in get_sentence_boundaries("en", text)
            if sentence["text"].strip()
        ]
        if start + len(text) < block.end and len(found) > 1:
            text = text[: found.pop()]
        bounds = [0, *found[1:], len(text)]
        yield from ((start + begin, start + end) for begin, end in pairwise(bounds))
        start += len(text)


def _fitting(markdown: str, pieces: Iterator[_Atom], budget: int, tokens: _Tokens) -> Iterator[_Atom]:
    """Yield the pieces with their sizes, those over the budget in parts."""
    while batch := list(islice(pieces, _TEXTS_AT_A_TIME)):
        most = budget * _CHARACTERS_A_TOKEN
        sizes = tokens.sizes([markdown[piece.start : min(piece.end, piece.start + most)] for piece in batch])
        for piece, size in zip(batch, sizes, strict=True):
            if size + piece.header_size <= budget and piece.end - piece.start <= most:
                yield replace(piece, size=size)
            else:
                parts = _parts(markdown, piece, budget, tokens)
                first = replace(next(parts), cost=piece.cost, opens=piece.opens)
                yield from _fitting(markdown, chain([first], parts), budget, tokens)


def _parts(markdown: str, piece: _Atom, budget: int, tokens: _Tokens) -> Iterator[_Atom]:
    """Divide a piece at its rows, paragraphs of code or lines, else at words, else in the middle."""
    if piece.kind is Kind.CODE:
        return _code(markdown, piece, budget, tokens)
    lines = _spans(_LINES, markdown, piece)
    if len(list(islice(lines, 2))) == 2:
        if piece.kind is Kind.TABLE:
            return _rows(markdown, piece, budget, tokens)
        cost = _COST_WITHIN[Kind.ITEM]
        return (_Atom(piece.kind, start, end, cost) for start, end in _spans(_LINES, markdown, piece))
    return _words(markdown, piece)


def _words(markdown: str, piece: _Atom) -> Iterator[_Atom]:
    words = _spans(_WORDS, markdown, piece)
    if len(list(islice(words, 2))) < 2:
        middle = (piece.start + piece.end) // 2
        words = iter([(piece.start, middle), (middle, piece.end)])
    else:
        words = _spans(_WORDS, markdown, piece)
    cost, header, size = _COST_WITHIN_SENTENCE, piece.header, piece.header_size
    return (_Atom(piece.kind, start, end, cost, header=header, header_size=size) for start, end in words)


def _code(markdown: str, code: _Atom, budget: int, tokens: _Tokens) -> Iterator[_Atom]:
    """Yield the paragraphs of code, or the lines of one, each but the first with its fence for in front."""
    header, size = code.header, code.header_size
    opening = FENCE.match(markdown, code.start, code.end)
    if code.opens and opening and len(opening[0]) <= _LONGEST_FENCE:
        header = f"{opening[1]}{opening[2].rstrip()}\n"
        size = tokens.sizes([header])[0]
        if size > budget // 3:
            header, size = "", 0
    divisions = ((_PARAGRAPHS, _COST_WITHIN[Kind.CODE]), (_LINES, _COST_WITHIN_PARAGRAPH))
    for pattern, cost in divisions:
        if len(list(islice(_spans(pattern, markdown, code), 2))) == 2:
            spans = _spans(pattern, markdown, code)
            yield replace(code, end=next(spans)[1])
            for start, end in spans:
                yield _Atom(Kind.CODE, start, end, cost, header=header, header_size=size)
            return
    yield from _words(markdown, code)


def _rows(markdown: str, table: _Atom, budget: int, tokens: _Tokens) -> Iterator[_Atom]:
    """Yield a table's rows: the header rows with the first one, the others with the header for in front."""
    rows = _spans(_LINES, markdown, table)
    top = list(islice(rows, 3))
    header = markdown[table.start : top[1][1]]
    size = tokens.sizes([header])[0] if len(header) < budget * _CHARACTERS_A_TOKEN else budget
    if size > budget // 3:
        header, size = "", 0
    yield _Atom(Kind.TEXT, table.start, top[-1][1])
    for start, end in rows:
        yield _Atom(Kind.TEXT, start, end, _COST_WITHIN[Kind.TABLE], header=header, header_size=size)


def _spans(pattern: re.Pattern[str], markdown: str, piece: _Atom) -> Iterator[tuple[int, int]]:
    # Without the trailing blanks, where the pattern for words would look ahead in vain at every place.
    end = piece.start + len(markdown[piece.start : piece.end].rstrip())
    return (found.span() for found in pattern.finditer(markdown, piece.start, end))


def _joined(atoms: Iterator[_Atom], budget: int) -> Iterator[_Atom]:
    """Join atoms of a few tokens with the next, for far fewer of them in a million short lines."""
    few = max(budget // 16, 4)
    held: _Atom | None = None
    for atom in atoms:
        if held is None:
            held = atom
            continue
        # A few words at the end of a block do not go with the next block.
        small = held.size < few and (held.opens or not atom.opens)
        if small and held.size + held.header_size + atom.size <= budget:
            held = replace(held, end=atom.end, size=held.size + atom.size)
        else:
            yield held
            held = atom
    if held is not None:
        yield held


def _best_division(atoms: Sequence[_Atom], budget: int, wanted: float) -> list[tuple[_Atom, int]]:
    """Divide atoms at the least cost, by dynamic programming: `(first atom, end of the last)` each."""
    best = [0.0] + [inf] * len(atoms)
    begins = [0] * (len(atoms) + 1)
    for end in range(1, len(atoms) + 1):
        size = 0
        for begin in range(end - 1, -1, -1):
            atom = atoms[begin]
            size += atom.size
            if size > budget and begin < end - 1:
                break
            if size + atom.header_size > budget and begin < end - 1:
                continue
            cost = best[begin] + atom.cost + ((size + atom.header_size) / wanted - 1) ** 2
            if cost < best[end]:
                best[end], begins[end] = cost, begin
    divisions: list[tuple[_Atom, int]] = []
    end = len(atoms)
    while end > 0:
        divisions.append((atoms[begins[end]], atoms[end - 1].end))
        end = begins[end]
    return divisions[::-1]


def _same(heading: str, title: str) -> bool:
    return heading.casefold().split() == title.casefold().split()
