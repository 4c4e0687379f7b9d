"""What was read for an answer, as a modal: each passage with its score, and which were cited."""

from __future__ import annotations

from connectors.conversation import Answer, ReadPassage
from connectors.slack.blocks import MOST_VIEW_BLOCKS, Json, context, divider, mrkdwn_text, plain_text, section
from connectors.slack.safe_text import cut, link, mrkdwn

# A view is refused when its JSON is longer than 250 kB; so many passages of such a length stay far below.
_MOST = 20
_TEXT = 1_500


def passages_view(answer: Answer) -> Json:
    """A modal for `views.open`.

    https://docs.slack.dev/surfaces/modals
    """
    cited = {(c.title, c.heading, c.url): c.marker for c in answer.citations}
    blocks: list[Json] = [context(f"Read for: {mrkdwn(cut(' '.join(answer.question.split()), 300))}")]
    for place, passage in enumerate(answer.read[:_MOST], start=1):
        blocks += _passage(place, passage, cited.get((passage.title, passage.heading, passage.url)))
    if len(answer.read) > _MOST:
        blocks.append(context(f"… and {len(answer.read) - _MOST} more, with lower scores."))
    if not answer.read:
        blocks.append(section("Nothing was read for this answer."))
    return {
        "type": "modal",
        "title": plain_text("What I read", 24),
        "close": plain_text("Close", 24),
        "blocks": blocks[:MOST_VIEW_BLOCKS],
    }


def _passage(place: int, passage: ReadPassage, marker: int | None) -> list[Json]:
    where = cut(passage.title, 150) + (f" › {cut(passage.heading, 150)}" if passage.heading else "")
    mark = f"  ·  cited as [{marker}]" if marker is not None else ""
    return [
        divider(),
        section(f"*{place}.* {link(passage.url, ' '.join(where.split()))}"),
        {"type": "section", "text": _shown(passage.text)},
        context(f"score {passage.score:.2f}{mark}"),
    ]


def _shown(text: str) -> Json:
    """A passage as it stands in the document; lines stay, for tables and code have them."""
    return mrkdwn_text(mrkdwn(text.strip(), _TEXT) or "(empty)")
