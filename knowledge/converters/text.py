"""Plain text in any encoding of office computers."""

from __future__ import annotations

from knowledge.documents import RawDocument, UnreadableError

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


def text_to_markdown(raw: RawDocument) -> tuple[str | None, str]:
    """Take text for Markdown. Raises `UnreadableError` when it is binary or in an unknown encoding."""
    return None, decoded(raw)


def decoded(raw: RawDocument) -> str:
    """Decode by the byte order mark, else as UTF-8, else by charset-normalizer's best guess.

    Raises `UnreadableError` when the content is binary or in an unknown encoding.
    """
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
