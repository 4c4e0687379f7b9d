"""Titles of documents inside a sentence of the bot's own."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"[\[\]()*_`<>|]")


def plain_title(title: str) -> str:
    """A title without markup, on one line: a stranger's text must not read as a marker or a link."""
    return " ".join(_MARKUP.sub(" ", title).split())
