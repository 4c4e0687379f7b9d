"""What was read for an answer, as a modal: each passage with its score, and which were cited."""

from __future__ import annotations

from connectors.conversation import Answer
from connectors.slack.blocks import MOST_VIEW_BLOCKS, Json, context, divider, mrkdwn_text, plain_text, section
from connectors.slack.safe_text import link, mrkdwn
from connectors.wording import NOTHING_READ, more_passages, passage_name, passage_score, read_for

# A view is refused when its JSON is longer than 250 kB; so many passages of such a length stay far below.
_MOST = 20
_TEXT = 1_500


def passages_view(answer: Answer) -> Json:
    """A modal for `views.open`.

    https://docs.slack.dev/surfaces/modals
    """
    blocks: list[Json] = [context(read_for(answer, mrkdwn))]
    for place, passage in enumerate(answer.read[:_MOST], start=1):
        blocks += [
            divider(),
            section(f"*{place}.* {passage_name(passage, link)}"),
            {"type": "section", "text": _shown(passage.text)},
            context(passage_score(passage, answer)),
        ]
    if len(answer.read) > _MOST:
        blocks.append(context(more_passages(len(answer.read) - _MOST)))
    if not answer.read:
        blocks.append(section(NOTHING_READ))
    return {
        "type": "modal",
        "title": plain_text("What I read", 24),
        "close": plain_text("Close", 24),
        "blocks": blocks[:MOST_VIEW_BLOCKS],
    }


def _shown(text: str) -> Json:
    """A passage as it stands in the document; lines stay, for tables and code have them."""
    return mrkdwn_text(mrkdwn(text.strip(), _TEXT) or "(empty)")
