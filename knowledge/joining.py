"""Neighbouring passages that were both found: what their border cuts in two is put together again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from knowledge.records import StoredPassage

# Between the parts of a sentence stands a space or the end of a line, not an empty line.
_LONGEST_GAP = 1
_UNFINISHED = re.compile(r"[\w,;–-]")
_REST = re.compile(r"\s*(?=[a-z\d])[^\n.!?]{0,400}(?:[.!?](?=\s|\Z)|(?=\n)|\Z)")
_INTRODUCTION = re.compile(r"[^\n]{1,300}:")
_ITEM = re.compile(r"\s*(?:[-*+•|]|\d{1,3}[.)])\s*\S")


def joined(passages: Iterable[StoredPassage]) -> dict[int, StoredPassage]:
    """Return those of the passages, by id, that read differently beside a neighbour among them.

    A sentence that goes on in the next passage is completed, and a list that begins a passage is given the
    line that introduces it at the end of the one before. Neighbours are of one version of a document.
    """
    by_place = {(p.source, p.uri, p.version, p.ordinal): p for p in passages}
    changed: dict[int, StoredPassage] = {}
    for (source, uri, version, ordinal), passage in by_place.items():
        following = by_place.get((source, uri, version, ordinal + 1))
        if following is None:
            continue
        text = passage.text.rstrip()
        introduction = _INTRODUCTION.fullmatch(text, text.rfind("\n") + 1)
        if introduction and _ITEM.match(following.text):
            before = changed.get(following.passage_id, following)
            changed[following.passage_id] = replace(before, text=f"{introduction[0]}\n{before.text}")
        elif following.start - passage.end <= _LONGEST_GAP and _UNFINISHED.match(text[-1:]):
            rest = _REST.match(following.text)
            if rest and rest[0].strip():
                before = changed.get(passage.passage_id, passage)
                changed[passage.passage_id] = replace(
                    before, text=f"{before.text.rstrip()} {rest[0].strip()}"
                )
    return changed
