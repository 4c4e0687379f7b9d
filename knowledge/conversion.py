"""Documents of any readable type to Markdown with headings, cleaned of what a person would not see."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from knowledge.converters.delimited import delimited_to_markdown
from knowledge.converters.mail import mail_to_markdown
from knowledge.converters.notebook import notebook_to_markdown
from knowledge.converters.portable import pdf_file_to_markdown
from knowledge.converters.presentation import pptx_to_markdown
from knowledge.converters.restructured import rst_to_markdown
from knowledge.converters.source_code import CODE_SUFFIXES, code_to_markdown
from knowledge.converters.spreadsheet import xlsx_to_markdown
from knowledge.converters.structured import json_to_markdown, jsonl_to_markdown
from knowledge.converters.text import decoded, text_to_markdown
from knowledge.converters.word import docx_to_markdown
from knowledge.documents import MarkdownDocument, RawDocument, UnreadableError
from knowledge.hidden_markup import hidden_elements
from knowledge.outline import sections

# To be raised when the converters read what they could not: documents that failed are then tried again.
CONVERSION_VERSION = "1"

TEXT_SUFFIXES = (".md", ".markdown", ".txt")

_MOST_CHARACTERS = 10_000_000

_NEWLINES = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Joiners (U+200C, U+200D) are kept between non-ASCII characters, where scripts and emoji need them. Soft
# hyphens, bidirectional marks, tag characters and most variation selectors can hide instructions.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
_CODE_OR_COMMENT = re.compile(
    r"^[ \t]*(?P<fence>`{3,}(?!.*`)|~{3,})|(?<!`)(?P<ticks>`++)[^`\n]++(?P=ticks)(?!`)|(?P<comment><!--)",
    re.MULTILINE,
)
# Possessive, so that the time for a line of many spaces is linear in its length.
_TABLE_RULE = re.compile(
    r"^[ \t]*+(?:\|[ \t]*+)?:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)+\|?[ \t]*+$", re.MULTILINE
)
_FRONT_MATTER = re.compile(r"\A(?:---[ \t]*\n(?=\s*[\w-]+[ \t]*:)|\+\+\+[ \t]*\n(?=\s*[\w-]+[ \t]*=))")
_FRONT_MATTER_END = re.compile(r"^(?:---|\.\.\.|\+\+\+)[ \t]*$\n?", re.MULTILINE)
_FRONT_MATTER_TITLE = re.compile(
    r"^title[ \t]*[:=][ \t]*(['\"]?)(?![|>])(\S.*?)\1[ \t]*$", re.MULTILINE | re.IGNORECASE
)


def to_markdown(raw: RawDocument) -> MarkdownDocument:
    """Convert a document by the suffix of its name; `READABLE_SUFFIXES` tells which there are.

    The Markdown has only newlines as line ends, no front matter, no HTML comments nor hidden elements outside
    code, and no control, zero-width or bidirectional characters: what a reader cannot see must not reach a
    model. It is normalised to NFC (https://unicode.org/reports/tr15/).

    The title is that of the front matter, else the first heading of level one, else the file's own (HTML
    `<title>`, PDF or DOCX properties), else the file's name made readable.

    Raises `UnreadableError`, which names the file and the reason, for everything that cannot be read: empty,
    binary, protected, damaged, too large, without text, or of an unknown type.
    """
    suffix = PurePosixPath(raw.name).suffix.lower()
    convert = _CONVERTERS.get(suffix)
    if convert is None:
        known = ", ".join(sorted(READABLE_SUFFIXES))
        raise UnreadableError(f"{raw.name} is of a type that is not read; readable are {known}.")
    if not raw.content.strip():
        raise UnreadableError(f"{raw.name} is empty.")
    try:
        title, markdown = convert(raw)
        return _finished(raw.name, title, markdown)
    except UnreadableError:
        raise
    except MemoryError as error:
        raise UnreadableError(f"{raw.name} takes too much memory to convert; split it.") from error
    except RecursionError as error:
        raise UnreadableError(f"{raw.name} is nested too deeply to be read.") from error
    except Exception as error:
        # A library's surprise on one file must not end the sync of all the others.
        kind = type(error).__name__
        raise UnreadableError(f"{raw.name} cannot be converted, it may be damaged ({kind}).") from error


def _finished(name: str, own_title: str | None, markdown: str) -> MarkdownDocument:
    if len(markdown) > _MOST_CHARACTERS:
        raise UnreadableError(
            f"{name} holds {len(markdown):,} characters of text, the limit is {_MOST_CHARACTERS:,}; split it."
        )
    front, body = _split_front_matter(visible(markdown))
    body = _TABLE_RULE.sub(_short_rule, _without_hidden_elements(_without_comments(body))).strip("\n")
    if not body.strip():
        raise UnreadableError(f"{name} is empty.")
    in_front = _FRONT_MATTER_TITLE.search(front)
    headings = (section.headings[-1] for section in sections(body) if section.headings)
    heading = next((text for level, text in headings if level == 1), None)
    candidates = (in_front and in_front[2], heading, own_title)
    title = next((" ".join(visible(found).split()) for found in candidates if found and found.strip()), "")
    return MarkdownDocument(title or _readable_stem(name), body)


def _html(raw: RawDocument) -> tuple[str | None, str]:
    from knowledge.webpage import webpage_to_markdown

    return webpage_to_markdown(decoded(raw), raw.url)


_CONVERTERS: dict[str, Callable[[RawDocument], tuple[str | None, str]]] = {
    **dict.fromkeys(TEXT_SUFFIXES, text_to_markdown),
    **dict.fromkeys((".html", ".htm"), _html),
    **dict.fromkeys((".csv", ".tsv"), delimited_to_markdown),
    **dict.fromkeys((".eml", ".mbox"), mail_to_markdown),
    **dict.fromkeys(CODE_SUFFIXES, code_to_markdown),
    ".rst": rst_to_markdown,
    ".pdf": pdf_file_to_markdown,
    ".docx": docx_to_markdown,
    ".pptx": pptx_to_markdown,
    ".xlsx": xlsx_to_markdown,
    ".json": json_to_markdown,
    ".jsonl": jsonl_to_markdown,
    ".ipynb": notebook_to_markdown,
}

READABLE_SUFFIXES = frozenset(_CONVERTERS)


def visible(text: str) -> str:
    """Leave out what a reader cannot see, and end lines with newlines."""
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", _NEWLINES.sub("\n", text)))


def _split_front_matter(text: str) -> tuple[str, str]:
    """Split into the front matter (YAML between `---`, TOML between `+++`), empty if none, and the body."""
    text = text.lstrip("\n")
    start = _FRONT_MATTER.match(text)
    end = start and _FRONT_MATTER_END.search(text, start.end(), start.end() + 20_000)
    if not start or not end:
        return "", text
    return text[start.end() : end.start()], text[end.end() :]


def _without_comments(markdown: str) -> str:
    """Drop HTML comments outside of fenced and inline code, in one pass that is linear in the text's length.

    As in CommonMark, a fence that is not closed reaches to the end, and so does a comment at the start of a
    line (https://spec.commonmark.org/0.31.2/#html-blocks).
    """
    kept: list[str] = []
    position = 0
    while found := _CODE_OR_COMMENT.search(markdown, position):
        end = found.end()
        if found["comment"]:
            end = _comment_end(markdown, found)
        elif found["fence"]:
            end = _fence_end(markdown, found)
        kept.append(markdown[position : found.start() if found["comment"] else end])
        position = end
    kept.append(markdown[position:])
    return "".join(kept)


def _without_hidden_elements(markdown: str) -> str:
    """Drop HTML elements that their own tag hides, outside of fenced and inline code."""
    kept: list[str] = []
    position = 0
    for start, end in _prose(markdown):
        for hidden, shown in hidden_elements(markdown, start, end):
            kept.append(markdown[position:hidden])
            position = shown
    kept.append(markdown[position:])
    return "".join(kept)


def _prose(markdown: str) -> Iterator[tuple[int, int]]:
    """The stretches of Markdown between code."""
    position = 0
    while found := _CODE_OR_COMMENT.search(markdown, position):
        end = found.end()
        if found["fence"]:
            end = _fence_end(markdown, found)
        if not found["comment"]:
            yield position, found.start()
        position = end
    yield position, len(markdown)


def _fence_end(markdown: str, opening: re.Match[str]) -> int:
    closing = re.compile(rf"^[ \t]*{opening['fence']}[`~]*[ \t]*$", re.MULTILINE).search(
        markdown, opening.end()
    )
    return closing.end() if closing else len(markdown)


def _comment_end(markdown: str, opening: re.Match[str]) -> int:
    end = markdown.find("-->", opening.end())
    if end >= 0:
        return end + len("-->")
    line_start = markdown.rfind("\n", 0, opening.start()) + 1
    return opening.end() if markdown[line_start : opening.start()].strip() else len(markdown)


def _short_rule(match: re.Match[str]) -> str:
    """Shorten the dashes under a table's header, each of which would be a token."""
    return re.sub(r"-+", "---", re.sub(r"[ \t]+", " ", match[0])).strip()


def _readable_stem(name: str) -> str:
    stem = re.sub(r"[_\-\s]+", " ", PurePosixPath(name).stem).strip() or name
    return stem[0].upper() + stem[1:]
