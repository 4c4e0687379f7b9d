"""Evidence units: the sentences, list items, lists, table rows and code blocks of a Markdown passage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from bot.sentences import sentence_spans

if TYPE_CHECKING:
    from markdown_it.token import Token

UnitKind = Literal["sentence", "item", "list", "row", "code"]

_MAX_LIST_WORDS = 120
_MAX_ITEM_WORDS = 50
_LABELLED_LINE = re.compile(r"\s*(?:[-*•–]\s*)?[^:\n]{1,40}:\s+\S")
_PIPE_LINE = re.compile(r"[^|\n]+(?:\|[^|\n]*)+")
_LONE_TITLE = re.compile(r"[^.!?:;,\n]{2,60}")
_LEANS_BACK = re.compile(
    r"(?:it|its|they|them|their|he|she|his|her|this|that|these|those|such|both|neither|either|the former"
    r"|the latter|however|therefore|thus|otherwise|instead|then|also|but|and|so|yet|in (?:this|that) case"
    r"|for (?:this|that) reason|as a result|in addition|if so|if not|after that|here|there|yes|no"
    r"|the (?:same|first|second|other|rest))\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(r"^(?:\S+ ){0,8}?(?:this|these|such|those)\s[a-z]")
_DEFINITE = re.compile(r"The (\w{3,})s? (?:is|are|was|were|has|have|had|can|must|will|may|also|\w+s|\w+ed)\b")


@dataclass(frozen=True, slots=True)
class Unit:
    """The smallest piece of a passage that can be quoted.

    `text` is readable without Markdown; a list or a code block has several lines. `heading` are the
    headings above it inside the passage, joined by " > ". `lead` is the line that a list or table hangs on,
    or the sentence before when this one leans on it ("It costs $5."). `start` and `end` are the unit's
    character offsets in the passage; `block` counts the passage's blocks.
    """

    text: str
    kind: UnitKind
    heading: str
    lead: str
    start: int
    end: int
    block: int


def units(passage: str) -> tuple[Unit, ...]:
    """Return the evidence units of a passage in reading order."""
    return tuple(_Reader(passage).read())


def readable(markdown: str) -> str:
    """Return inline Markdown as plain text: link text with its address behind it, no emphasis, no images."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").parseInline(markdown.replace("\n", " "))
    return " ".join(_inline(tokens[0]).split()) if tokens else ""


def _inline(token: Token) -> str:
    return "".join(text for text, _ in _pieces(token))


def _pieces(token: Token) -> Iterator[tuple[str, bool]]:
    """Yield the token's readable pieces and whether each stands verbatim in the source."""
    target, label = "", ""
    for child in token.children or ():
        if child.type == "link_open":
            target, label = str(child.attrGet("href") or ""), ""
        elif child.type == "link_close":
            if re.match(r"https?://", target) and target.rstrip("/") != label.strip().rstrip("/"):
                yield f" ({target})", False
            target = ""
        elif child.type in {"softbreak", "hardbreak"}:
            yield "\n", False
        elif child.type in {"text", "code_inline"}:
            label += child.content
            yield child.content, True


class _Reader:
    """One walk over a passage's block tokens."""

    def __init__(self, passage: str) -> None:
        self._passage = passage
        self._headings: list[tuple[int, str]] = []
        self._lead = ""
        self._block = 0

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        starts.extend(match.end() for match in re.finditer("\n", self._passage))
        starts.append(len(self._passage))
        return starts

    def read(self) -> Iterator[Unit]:
        from markdown_it import MarkdownIt

        tokens = MarkdownIt("commonmark").enable("table").parse(self._passage)
        position = 0
        while position < len(tokens):
            end = _closing(tokens, position)
            yield from self._read_block(tokens[position : end + 1])
            self._block += 1
            position = end + 1

    def _read_block(self, tokens: Sequence[Token]) -> Iterator[Unit]:
        first = tokens[0]
        if first.type == "heading_open":
            self._enter(int(first.tag[1]), _inline(tokens[1]))
        elif first.type == "paragraph_open":
            yield from self._paragraph(tokens[1])
        elif first.type in {"bullet_list_open", "ordered_list_open"}:
            yield from self._list(tokens, self._lead)
            self._lead = ""
        elif first.type == "table_open":
            yield from self._table(tokens)
            self._lead = ""
        elif first.type in {"fence", "code_block"}:
            yield from self._code(first)
            self._lead = ""
        elif first.type == "blockquote_open":
            for child in _children(tokens):
                yield from self._read_block(child)

    def _enter(self, level: int, title: str) -> None:
        self._headings = [entry for entry in self._headings if entry[0] < level]
        self._headings.append((level, " ".join(title.split())))
        self._lead = ""

    @property
    def _heading(self) -> str:
        return " > ".join(title for _, title in self._headings)

    def _span(self, token: Token) -> tuple[int, int]:
        first, last = token.map or [0, 0]
        start, end = self._line_starts[first], self._line_starts[min(last, len(self._line_starts) - 1)]
        while end > start and self._passage[end - 1].isspace():
            end -= 1
        return start, end

    def _unit(self, text: str, kind: UnitKind, span: tuple[int, int], lead: str) -> Unit:
        return Unit(text, kind, self._heading, lead, span[0], span[1], self._block)

    def _paragraph(self, token: Token) -> Iterator[Unit]:
        text, offsets = self._aligned(token)
        lines = text.split("\n")
        if len(lines) > 1 and sum(bool(_PIPE_LINE.fullmatch(line)) for line in lines) > len(lines) / 2:
            yield from self._loose_rows(lines, offsets)
            return
        if len(lines) == 1 and _LONE_TITLE.fullmatch(text) and _is_strong(token):
            self._enter(7, text)
            return
        if len(lines) > 1 and all(_LABELLED_LINE.match(line) for line in lines):
            yield from self._labelled_lines(lines, offsets)
            return
        sentences = [
            self._unit(
                " ".join(text[start:end].split()), "sentence", (offsets[start], offsets[end - 1] + 1), ""
            )
            for start, end in sentence_spans(text)
        ]
        closing = sentences[-1].text if sentences else ""
        if closing.endswith(":"):
            sentences.pop()
        before = self._lead if self._lead.endswith("?") else ""
        self._lead = closing if closing.endswith((":", "?")) else ""
        for sentence in sentences:
            leans = before.endswith("?") or _leans(sentence.text, before)
            yield replace(sentence, lead=before if leans else "")
            before = sentence.text

    def _loose_rows(self, lines: Sequence[str], offsets: Sequence[int]) -> Iterator[Unit]:
        """Lines with pipes but without the rule that makes a table: the first line may be its header."""
        position = 0
        header = _cells(lines[0])
        for number, line in enumerate(lines):
            span = (offsets[position], offsets[min(position + len(line), len(offsets)) - 1] + 1)
            position += len(line) + 1
            cells = _cells(line)
            if number and len(cells) == len(header):
                yield self._unit(_row(header, cells), "row", span, self._lead)
            elif number or len(lines) == 1:
                yield self._unit("; ".join(cells), "row", span, self._lead)
        self._lead = ""

    def _labelled_lines(self, lines: Sequence[str], offsets: Sequence[int]) -> Iterator[Unit]:
        position = 0
        for line in lines:
            span = (offsets[position], offsets[position + len(line) - 1] + 1)
            position += len(line) + 1
            yield self._unit(" ".join(line.split()), "item", span, self._lead)
        self._lead = ""

    def _aligned(self, token: Token) -> tuple[str, list[int]]:
        """The token's readable text and, for each character, its offset in the passage."""
        cursor, end = self._span(token)
        text: list[str] = []
        offsets: list[int] = []
        for piece, verbatim in _pieces(token):
            # Entities and escapes differ from the source, so each word finds its own place.
            for part in re.findall(r"\s+|\S+", piece):
                found = self._passage.find(part, cursor, end) if verbatim else -1
                text.append(part)
                if found < 0:
                    offsets.extend([min(cursor, max(end - 1, 0))] * len(part))
                else:
                    offsets.extend(range(found, found + len(part)))
                    cursor = found + len(part)
        return "".join(text), offsets

    def _list(self, tokens: Sequence[Token], lead: str) -> Iterator[Unit]:
        """The list as a whole when it is short, then each item with the line it hangs on."""
        items: list[Unit] = []
        lines: list[str] = []
        number = int(tokens[0].attrGet("start") or 1)
        for item in _children(tokens):
            found = list(self._item(item, lead))
            items.extend(found)
            mark = f"{number + len(lines)}." if tokens[0].type == "ordered_list_open" else "-"
            if found:
                lines.append(f"{mark} {_item_text(item)}")
        whole = "\n".join([lead, *lines] if lead else lines)
        if len(lines) > 1 and len(whole.split()) <= _MAX_LIST_WORDS:
            yield self._unit(whole, "list", self._span(tokens[0]), "")
        yield from items

    def _item(self, tokens: Sequence[Token], lead: str) -> Iterator[Unit]:
        """The item as one unit, by sentences when it is long, then what stands deeper, hanging on it."""
        text = _item_text(tokens)
        start, end = self._span(tokens[0])
        if len(text.split()) <= _MAX_ITEM_WORDS:
            if text:
                yield self._unit(text, "item", (start, end), lead)
        else:
            own = _own_text(tokens)
            for first, last in sentence_spans(own):
                yield self._unit(own[first:last], "item", (start, end), lead)
        for child in _children(tokens):
            if child[0].type in {"bullet_list_open", "ordered_list_open"}:
                yield from self._list(child, _own_text(tokens).rstrip(":.") + ":")
            elif child[0].type in {"fence", "code_block"}:
                self._lead = _own_text(tokens)
                yield from self._code(child[0])
                self._lead = ""

    def _table(self, tokens: Sequence[Token]) -> Iterator[Unit]:
        header: list[str] = []
        for position, token in enumerate(tokens):
            if token.type != "tr_open":
                continue
            end = _closing(tokens, position)
            cells = [
                " ".join(_inline(cell).split())
                for cell in tokens[position : end + 1]
                if cell.type == "inline"
            ]
            if not header:
                header = cells
            elif any(cells):
                yield self._unit(_row(header, cells), "row", self._span(token), self._lead)

    def _code(self, token: Token) -> Iterator[Unit]:
        if token.content.strip():
            yield self._unit(token.content.strip("\n"), "code", self._span(token), self._lead)


def _leans(sentence: str, before: str) -> bool:
    """Whether a sentence speaks of something that only the sentence before names."""
    if _LEANS_BACK.match(sentence) or _POINTS_BACK.search(sentence):
        return True
    definite = _DEFINITE.match(sentence)
    return definite is not None and definite[1].lower() in before.lower()


def _closing(tokens: Sequence[Token], position: int) -> int:
    """The position of the token that closes the one at `position`."""
    depth = 0
    for end in range(position, len(tokens)):
        depth += tokens[end].nesting
        if depth <= 0:
            return end
    return len(tokens) - 1


def _children(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The blocks directly inside a block, each as its run of tokens."""
    position = 1
    while position < len(tokens) - 1:
        end = _closing(tokens, position)
        yield tokens[position : end + 1]
        position = end + 1


def _own_text(item: Sequence[Token]) -> str:
    """What a list item says itself, without the lists inside it."""
    depth = item[0].level + 2
    own = (
        " ".join(_inline(token).split()) for token in item if token.type == "inline" and token.level == depth
    )
    return " ".join(text for text in own if text)


def _item_text(item: Sequence[Token]) -> str:
    """A list item in one line; what hangs on it may limit what it says, so that belongs to it."""
    deeper = [
        _item_text(entry)
        for child in _children(item)
        if child[0].type in {"bullet_list_open", "ordered_list_open"}
        for entry in _children(child)
    ]
    own = _own_text(item)
    return f"{own.rstrip(':.')}: {'; '.join(deeper)}" if own and deeper else own or "; ".join(deeper)


def _is_strong(token: Token) -> bool:
    children = [child for child in token.children or () if child.type != "text" or child.content.strip()]
    return len(children) >= 3 and children[0].type == "strong_open" and children[-1].type == "strong_close"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _row(header: Sequence[str], cells: Sequence[str]) -> str:
    """One table row as "Model: X; Price: $12"; a column without a name gives its cell alone."""
    named = (f"{name}: {cell}" if name else cell for name, cell in zip(header, cells, strict=False) if cell)
    return "; ".join(named)
