"""What the journal holds of a document that is forgotten goes too."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import delete, or_, select

from bot.database import Database, answers, judgements


def withdraw(
    database: Database, source: str, uri: str, title: str, url: str | None, texts: Collection[str]
) -> int:
    """Delete every answer that cited or read a document, whose words it may hold; how many that were.

    `texts` are the document's passages. Raises `JournalError`. Blocks.
    """
    page = _page(url)
    named = [_within(value) for value in (uri, page, title) if value]
    rests_on_it = []
    with database.writing() as connection:
        likely = or_(*(answers.c.answer.contains(value, autoescape=True) for value in named))
        for row in connection.execute(select(answers.c.number, answers.c.id, answers.c.answer).where(likely)):
            kept = json.loads(row.answer)
            if any(
                (cited.get("source"), cited.get("uri")) == (source, uri) for cited in kept["citations"]
            ) or any(_is_of(read, title, page, texts) for read in kept.get("read", ())):
                rests_on_it.append((row.number, row.id))
        for number, answer_id in rests_on_it:
            connection.execute(delete(answers).where(answers.c.number == number))
            connection.execute(delete(judgements).where(judgements.c.answer_id == answer_id))
    if rests_on_it:
        database.wipe()
    return len(rests_on_it)


def _is_of(read: dict[str, Any], title: str, page: str, texts: Collection[str]) -> bool:
    """Whether a passage that was read is of the document: answers do not keep which source it is from."""
    if read["text"] in texts:
        return True
    return _page(read["url"]) == page if page else read["title"] == title


def _page(url: str | None) -> str:
    """A URL without the line that it leads to."""
    return (url or "").partition("#")[0]


def _within(value: str) -> str:
    """A text as it stands in JSON."""
    return json.dumps(value)[1:-1]
