"""Sentences of running text: where they begin and end."""

from __future__ import annotations

import re

# What must stay whole although a full stop may stand in it: code, link targets, addresses.
UNBREAKABLE = re.compile(
    r"`[^`\n]+`"
    r"|!?\[[^\]\[\n]{0,300}\]\([^()\s]{0,300}(?:\([^()\s]{0,100}\))?[^()\n]{0,200}\)"
    r"|https?://[^\s<>]*[^\s<>.,;:!?)\]}'\"”’]"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
)
_ENUMERATOR = re.compile(r"(?:^|\s)\(?(?:\d{1,3}|[a-zA-Z])[.)]$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:approx|incl|excl|max|min|tel|ext|dept|avg|temp|ca|cf|resp|ref|fig|sec|ch|vol|pp|ver|qty)\.$",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"(?:^|[\s(\d])(?:[A-Za-z]\.){2,}$")
_CLOCK = re.compile(r"\b[ap]\.m\.$", re.IGNORECASE)
_AFTER_CLOCK = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|[A-Z]{2,4}\b|Eastern|Central|Mountain|Pacific|[a-z–—-])"
)
_SELF_ENDING = re.compile(r"[!?…。！？｡]['\"”’)\]]*$")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the start and end of every sentence of the text, without the white space around it.

    Boundaries come from sentencex (https://github.com/wikimedia/sentencex); those inside a link, an
    address or inline code, and those after an abbreviation or a list number, are taken back.
    """
    from sentencex import get_sentence_boundaries

    spans: list[tuple[int, int]] = []
    breaks = _inner_positions(text)
    for piece in get_sentence_boundaries("en", text):
        start, end = _trim(text, int(piece["start_index"]), int(piece["end_index"]))
        if start == end:
            continue
        if spans and (start in breaks or _belongs_together(text, spans[-1], start)):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def sentences(text: str) -> list[str]:
    """Return the sentences of the text, without the white space around them."""
    return [text[start:end] for start, end in sentence_spans(text)]


def _inner_positions(text: str) -> set[int]:
    """Positions at which no sentence may begin, because they lie inside something unbreakable."""
    return {
        position for match in UNBREAKABLE.finditer(text) for position in range(match.start() + 1, match.end())
    }


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _belongs_together(text: str, before: tuple[int, int], start: int) -> bool:
    if "\n\n" in text[before[1] : start]:
        return False
    # A regular expression on the whole sentence would be quadratic over many merges.
    tail = text[max(before[0], before[1] - 16) : before[1]]
    following = text[start : start + 12]
    if start == before[1] and not _SELF_ENDING.search(tail):
        return True
    if _CLOCK.search(tail):
        return bool(_AFTER_CLOCK.match(following))
    if _ENUMERATOR.search(tail) and before[1] - before[0] <= 4:
        return True
    return bool(_ABBREVIATION.search(tail)) or (bool(_DOTTED.search(tail)) and following[:1].islower())
