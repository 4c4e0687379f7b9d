"""Draw what people see in Slack, from the blocks that the connector makes of a fixed example.

python docs/slack_messages.py docs/slack.png

Slack itself is not asked: the blocks are drawn in a page, and Chromium takes its picture.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from block_kit_page import STYLE, drawn, message
from panels import page, panel
from shown_example import NOW, QUESTION, UNKNOWN, abstention, answer, begun, reading, take_picture

from connectors.conversation import Answer, Progress
from connectors.ports import KnownSource, Welcome
from connectors.safe_links import allowed_links
from connectors.slack.answer_view import answer_messages
from connectors.slack.buttons import answer_buttons
from connectors.slack.home import home_view
from connectors.slack.progress_view import status_text, text_chunk, working_chunks
from connectors.slack.safe_text import SafeStream

SIZE = "1320,930"
NOTE = "A rendering: these blocks are what the connector sends; the page around them only resembles Slack."
MENTION = '<span class="mention">@Lorebot</span> '


def the_page() -> str:
    """A question, its answer on the way and complete, an answer that is none, and the App Home."""
    return page(STYLE, NOTE, [[_streaming(), _channel()], [_unknown(), _home()]])


def _channel() -> str:
    return panel("#support: the answer", _answered(answer()))


def _streaming() -> str:
    stream = SafeStream(allowed_links(answer().citations))
    chunks = [
        *working_chunks(Progress("Reading 4 passages", reading())),
        text_chunk(stream.push(begun())),
    ]
    status = f'<div class="status">Lorebot  ·  {status_text(Progress("Searching 1,240 passages"))}</div>'
    asked = _asked("Imogen", MENTION + QUESTION)
    return panel("#support, at once: a status, what is read, the text", asked, status, _bot(drawn(chunks)))


def _unknown() -> str:
    return panel(
        "A direct message about what no document holds", _asked("Tom", UNKNOWN), _answered(abstention())
    )


def _home() -> str:
    sources = (
        KnownSource("handbook", 58, NOW - timedelta(minutes=4), "healthy"),
        KnownSource("help-centre", 212, NOW - timedelta(hours=2), "healthy"),
    )
    questions = ("How long is the Glowworm warranty?", "How much is the titanium Badger 6?")
    view = home_view(Welcome(sources, 1240, questions, "warm@2", ("help-centre: 1 page was not found",)), NOW)
    return panel("Lorebot  ·  Home", f'<div class="home">{drawn(view["blocks"])}</div>')


def _asked(who: str, html: str) -> str:
    return message(who, "#8a5a9e", "12:00", f'<div class="block">{html}</div>')


def _answered(answer: Answer) -> str:
    messages = answer_messages(answer, NOW, answer_buttons(answer, "user:U123"))
    return "".join(_bot(drawn(message.blocks)) for message in messages)


def _bot(html: str) -> str:
    return message("Lorebot", "#1f3a5f", "12:00", html, app=True)


if __name__ == "__main__":
    take_picture(the_page(), Path(sys.argv[1]), SIZE)
