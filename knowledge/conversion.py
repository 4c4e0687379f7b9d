"""Documents of any readable type to Markdown with headings, cleaned of what a person would not see."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePosixPath
from zipfile import BadZipFile, ZipFile

from knowledge.documents import MarkdownDocument, RawDocument, UnreadableError
from knowledge.outline import sections

_MOST_CHARACTERS = 10_000_000
_MOST_UNPACKED_BYTES = 200_000_000
_MOST_ZIP_ENTRIES = 10_000
_OLE_CONTAINER = bytes.fromhex("D0CF11E0A1B11AE1")
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
# The multi-byte and Windows encodings that browsers know (https://encoding.spec.whatwg.org/#names-and-labels).
_LEGACY_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r"),
    *("cp932", "euc_jp", "iso2022_jp", "gb18030", "big5", "cp949", "euc_kr"),
)

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
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$", re.MULTILINE)
_FRONT_MATTER = re.compile(r"\A(?:---[ \t]*\n(?=\s*[\w-]+[ \t]*:)|\+\+\+[ \t]*\n(?=\s*[\w-]+[ \t]*=))")
_FRONT_MATTER_END = re.compile(r"^(?:---|\.\.\.|\+\+\+)[ \t]*$\n?", re.MULTILINE)
_FRONT_MATTER_TITLE = re.compile(
    r"^title[ \t]*[:=][ \t]*(['\"]?)(?![|>])(\S.*?)\1[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_DATA_IMAGE = re.compile(r"!\[([^\]\n]*)\]\(data:[^)\n]*\)")
_NO_TITLE = re.compile(
    r"\(anonymous\)|untitled.*|document\d*|microsoft word.*|.*\.(?:docx?|pdf|tex|dvi)", re.IGNORECASE
)


def to_markdown(raw: RawDocument) -> MarkdownDocument:
    """Convert a document by the suffix of its name; `READABLE_SUFFIXES` tells which there are.

    The Markdown has only newlines as line ends, no front matter, no HTML comments outside code, and no
    control, zero-width or bidirectional characters: what a reader cannot see must not reach a model. It is
    normalised to NFC (https://unicode.org/reports/tr15/).

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
    except Exception as error:
        # A library's surprise on one file must not end the sync of all the others.
        kind = type(error).__name__
        raise UnreadableError(f"{raw.name} cannot be converted, it may be damaged ({kind}).") from error


def _finished(name: str, own_title: str | None, markdown: str) -> MarkdownDocument:
    if len(markdown) > _MOST_CHARACTERS:
        raise UnreadableError(
            f"{name} holds {len(markdown):,} characters of text, the limit is {_MOST_CHARACTERS:,}; split it."
        )
    front, body = _split_front_matter(_visible(markdown))
    body = _TABLE_RULE.sub(_short_rule, _without_comments(body)).strip("\n")
    if not body.strip():
        raise UnreadableError(f"{name} is empty.")
    in_front = _FRONT_MATTER_TITLE.search(front)
    headings = (section.headings[-1] for section in sections(body) if section.headings)
    heading = next((text for level, text in headings if level == 1), None)
    candidates = (in_front and in_front[2], heading, own_title)
    title = next((" ".join(_visible(found).split()) for found in candidates if found and found.strip()), "")
    return MarkdownDocument(title or _readable_stem(name), body)


def _text(raw: RawDocument) -> tuple[str | None, str]:
    return None, _decoded(raw)


def _html(raw: RawDocument) -> tuple[str | None, str]:
    from knowledge.webpage import webpage_to_markdown

    return webpage_to_markdown(_decoded(raw), raw.url)


def _pdf(raw: RawDocument) -> tuple[str | None, str]:
    from pdfminer.pdfdocument import PDFPasswordIncorrect
    from pdfplumber.utils.exceptions import PdfminerException

    from knowledge.pdf import pdf_to_markdown

    if b"%PDF-" not in raw.content[:1024]:
        raise UnreadableError(f"{raw.name} is not a PDF file, or its beginning is missing.")
    try:
        title, markdown = pdf_to_markdown(raw.content)
    except PdfminerException as error:
        if error.args and isinstance(error.args[0], PDFPasswordIncorrect):
            raise UnreadableError(
                f"{raw.name} is protected by a password; save a copy without one."
            ) from error
        raise UnreadableError(f"{raw.name} is a damaged or half-written PDF; save it again.") from error
    if not re.search(r"\w", markdown):
        raise UnreadableError(f"{raw.name} has no text layer (a scan?); run OCR on it first.")
    return (None if title is None or _NO_TITLE.fullmatch(title.strip()) else title), markdown


def _docx(raw: RawDocument) -> tuple[str | None, str]:
    if raw.content.startswith(_OLE_CONTAINER):
        if "EncryptedPackage".encode("utf-16-le") in raw.content:
            raise UnreadableError(f"{raw.name} is protected by a password; save a copy without one.")
        raise UnreadableError(f"{raw.name} is an old Word file (.doc) under a new name; save it as .docx.")
    try:
        with ZipFile(BytesIO(raw.content)) as archive:
            _refuse_bombs(raw.name, archive)
            if "word/document.xml" not in archive.namelist():
                raise UnreadableError(f"{raw.name} is not a Word document.")
            title = _core_title(archive)
    except BadZipFile as error:
        raise UnreadableError(
            f"{raw.name} is a damaged or half-written Word document; save it again."
        ) from error

    from markitdown import StreamInfo
    from markitdown.converters import DocxConverter

    converted = DocxConverter().convert(
        BytesIO(raw.content),
        StreamInfo(extension=".docx"),
        style_map="p[style-name='Title'] => h1:fresh",
        table_infer_header=True,
    )
    return title, _DATA_IMAGE.sub(r"\1", converted.markdown)


def _refuse_bombs(name: str, archive: ZipFile) -> None:
    """Look at what a zip says of itself before unpacking it (https://www.bamsoftware.com/hacks/zipbomb/)."""
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > _MOST_ZIP_ENTRIES or unpacked > _MOST_UNPACKED_BYTES:
        raise UnreadableError(
            f"{name} would unpack to {unpacked / 1e6:,.0f} MB in {len(entries):,} parts; "
            f"the limits are {_MOST_UNPACKED_BYTES / 1e6:,.0f} MB and {_MOST_ZIP_ENTRIES:,} parts."
        )


def _core_title(archive: ZipFile) -> str | None:
    from lxml import etree

    try:
        properties = archive.read("docProps/core.xml")
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        title: str | None = etree.fromstring(properties, parser).findtext(
            "{http://purl.org/dc/elements/1.1/}title"
        )
        return title
    except (KeyError, etree.XMLSyntaxError):
        return None


_CONVERTERS: dict[str, Callable[[RawDocument], tuple[str | None, str]]] = {
    **dict.fromkeys((".md", ".markdown", ".txt", ".rst"), _text),
    **dict.fromkeys((".html", ".htm"), _html),
    ".pdf": _pdf,
    ".docx": _docx,
}

READABLE_SUFFIXES = frozenset(_CONVERTERS)


def _decoded(raw: RawDocument) -> str:
    """Decode by the byte order mark, else as UTF-8, else by charset-normalizer's best guess."""
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if raw.content.startswith(mark)), None)
    try:
        if marked:
            return raw.content.decode(marked)
        if b"\0" in raw.content:
            raise UnreadableError(f"{raw.name} holds binary data, not text.")
        return raw.content.decode("utf-8")
    except UnicodeDecodeError:
        pass

    from charset_normalizer import from_bytes

    guesses = from_bytes(raw.content, cp_isolation=list(_LEGACY_ENCODINGS))
    best = None if marked else guesses.best()
    if best is None:
        raise UnreadableError(f"{raw.name} is in an unknown encoding; save it as UTF-8.")
    for guess in guesses:
        # A few accents tell little: of guesses that are about as good, the commonest encoding is likeliest.
        is_western = "cp1252" in (guess.encoding, *guess.could_be_from_charset)
        if is_western and guess.chaos <= best.chaos and guess.coherence > best.coherence - 0.1:
            return str(guess)
    return str(best)


def _visible(text: str) -> str:
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
            closing = re.compile(rf"^[ \t]*{found['fence']}[`~]*[ \t]*$", re.MULTILINE).search(markdown, end)
            end = closing.end() if closing else len(markdown)
        kept.append(markdown[position : found.start() if found["comment"] else end])
        position = end
    kept.append(markdown[position:])
    return "".join(kept)


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
