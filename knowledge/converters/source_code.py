"""Source code and settings files: a section for each definition, its code in a fence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from knowledge.converters.definitions import Definition, parsed_definitions
from knowledge.converters.markup import fence, heading
from knowledge.converters.text import decoded
from knowledge.documents import RawDocument

_LARGE_LINES = 40
_DEEPEST_HEADING = 6
_LANGUAGES = {
    **{
        ".py": "python",
        ".js": "javascript",
        ".ts": "typescript",
        ".tsx": "tsx",
        ".java": "java",
        ".go": "go",
    },
    **{".rs": "rust", ".c": "c", ".h": "cpp", ".cpp": "cpp", ".hpp": "cpp", ".cs": "csharp", ".rb": "ruby"},
    **{".php": "php", ".sh": "bash", ".kt": "kotlin", ".swift": "swift", ".scala": "scala", ".sql": "sql"},
    **{".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".ini": "ini"},
}
CODE_SUFFIXES = frozenset(_LANGUAGES)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that begins a definition, which reaches to the next one; `kind` where that is not in it."""

    pattern: re.Pattern[str]
    kind: str = ""


# Languages whose definitions are told by how their first line begins.
_LINES = {
    "sql": _Line(
        re.compile(
            r"create\s+(?:or\s+(?:replace|alter)\s+)?(?:(?:temp|temporary|unique|materialized|global|recursive)\s+)*"
            r"(?P<kind>table|view|function|procedure|trigger|index|type|schema|sequence|domain|role)\s+"
            r"(?:if\s+not\s+exists\s+)?(?P<name>[\w.\"`\[\]]+)",
            re.IGNORECASE,
        )
    ),
    # A key with a block below it.
    "yaml": _Line(
        re.compile(r"(?P<name>[\w.\"'/-][^:#\n]{0,80}):[ \t]*(?:[&!|>][^\n]*)?(?:#[^\n]*)?\n(?=[ \t-])"),
        "key",
    ),
    "toml": _Line(re.compile(r"\[\[?(?P<name>[^\]\n]{1,150})\]\]?[ \t]*(?:#.*)?$", re.MULTILINE), "section"),
    "ini": _Line(re.compile(r"\[(?P<name>[^\]\n]{1,150})\][ \t]*(?:[#;].*)?$", re.MULTILINE), "section"),
}
# Brackets and words that close what a section before has opened.
_CLOSING = re.compile(r"(?:[\W_]|\bend(?:if)?\b)*")
_COMMENT = re.compile(r"[ \t]*(?:#|--|;|//)")


def code_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Write each top-level definition, and each method of a class over 40 lines, as a section.

    Programming languages are parsed by tree-sitter (https://tree-sitter.github.io), which goes on after
    errors; SQL, YAML, TOML and INI are divided at lines that begin a definition. What is between the
    definitions is a section of its own. The title is the file's name.
    """
    text = decoded(raw).replace("\r\n", "\n").replace("\r", "\n")
    language = _LANGUAGES[PurePosixPath(raw.name).suffix.lower()]
    lines = text.split("\n")
    by_line = _LINES.get(language)
    found = _by_lines(text, lines, by_line) if by_line else parsed_definitions(text, language)
    return raw.name, "\n\n".join(_parts(lines, found, 0, len(lines), 2, language))


def _parts(
    lines: Sequence[str], definitions: Sequence[Definition], start: int, end: int, level: int, language: str
) -> Iterator[str]:
    position = start
    for number, definition in enumerate(definitions):
        yield from _between(lines[position : definition.start], level, number > 0, language)
        yield heading(level, f"{definition.kind} {definition.name}")
        is_large = definition.end - definition.start > _LARGE_LINES or definition.is_namespace
        if is_large and definition.inner and level < _DEEPEST_HEADING:
            yield from _parts(lines, definition.inner, definition.start, definition.end, level + 1, language)
        else:
            yield fence("\n".join(lines[definition.start : definition.end]), language)
        position = definition.end
    yield from _between(lines[position:end], level, bool(definitions), language)


def _between(lines: Sequence[str], level: int, after_one: bool, language: str) -> Iterator[str]:
    code = "\n".join(lines)
    if not code.strip() or (after_one and _CLOSING.fullmatch(code)):
        return
    if after_one:
        yield heading(level, "further code")
    yield fence(code, language)


def _by_lines(text: str, lines: Sequence[str], begins: _Line) -> list[Definition]:
    starts: list[tuple[int, str, str]] = []
    offset = 0
    for number, line in enumerate(lines):
        if found := begins.pattern.match(text, offset):
            kind = begins.kind or found["kind"].lower()
            starts.append((number, kind, found["name"].strip("\"'`[] ")))
        offset += len(line) + 1
    firsts = [_with_comment(lines, number) for number, _, _ in starts]
    return [
        Definition(kind, name, first, next_first)
        for (_, kind, name), (first, next_first) in zip(starts, pairwise([*firsts, len(lines)]), strict=True)
    ]


def _with_comment(lines: Sequence[str], number: int) -> int:
    while number > 0 and _COMMENT.match(lines[number - 1]):
        number -= 1
    return number
