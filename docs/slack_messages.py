"""Draw what people see in Slack, from the blocks that the connector makes of a fixed example.

python docs/slack_messages.py docs/slack.png

Slack itself is not asked: the blocks are drawn in a page, and Chromium takes its picture.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from block_kit_page import drawn, message, page, panel

from connectors.conversation import Answer, Citation, NearDocument, Progress, ReadPassage, Timings, Voice
from connectors.ports import KnownSource, Welcome
from connectors.safe_links import allowed_links
from connectors.slack.answer_view import answer_messages
from connectors.slack.buttons import answer_buttons
from connectors.slack.home import home_view
from connectors.slack.progress_view import status_text, text_chunk, working_chunks
from connectors.slack.safe_text import SafeStream

SIZE = "1320,930"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOTE = "A rendering: these blocks are what the connector sends; the page around them only resembles Slack."
WIKI = "https://wiki.brindleandfell.example"
POLICY = f"{WIKI}/returns-policy"
QUESTION = '<span class="mention">@Lorebot</span> How long can people send things back, and who pays?'
TEXT = (
    "A customer has **30 days** from the day of delivery to send something back [1]. If the packaging was "
    "opened but the item has not been used, it is still a full refund; if it has plainly been used, we offer "
    "store credit for 80% of the price paid [2].\n\n"
    "| Reason for return | Postage |\n| --- | --- |\n| Changed mind, UK | £3.95 |\n"
    "| Faulty, damaged or wrong item | We pay [3] |"
)


def main(picture: Path) -> None:
    """Draw the page and take its picture."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "slack.html"
        source.write_text(the_page(), encoding="utf-8")
        window = (f"--window-size={SIZE}", "--hide-scrollbars", "--force-device-scale-factor=1")
        chromium = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", *window)
        shot = f"--screenshot={picture.resolve()}"
        subprocess.run([*chromium, shot, source.as_uri()], check=True)  # noqa: S603 - all are our own words


def the_page() -> str:
    """A question, its answer on the way and complete, an answer that is none, and the App Home."""
    return page(NOTE, [[_streaming(), _channel()], [_unknown(), _home()]])


def _channel() -> str:
    return panel("#support: the answer", _answered(_answer()))


def _streaming() -> str:
    reading = tuple(NearDocument(p.title, p.title, p.url) for p in _answer().read)
    stream = SafeStream(allowed_links(_answer().citations))
    chunks = [
        *working_chunks(Progress("Reading 4 passages", reading)),
        text_chunk(stream.push(TEXT.partition("If")[0])),
    ]
    status = f'<div class="status">Lorebot  ·  {status_text(Progress("Searching 1,240 passages"))}</div>'
    asked = _asked("Imogen", QUESTION)
    return panel("#support, at once: a status, what is read, the text", asked, status, _bot(drawn(chunks)))


def _unknown() -> str:
    documents = ("Expenses policy", "expenses-policy"), ("Working hours and leave", "leave")
    nearest = tuple(NearDocument(title, name, f"{WIKI}/{name}") for title, name in documents)
    text = "I do not find anything about company cars in the documents that I may read here."
    lost = replace(_answer(), text=text, route="abstain", citations=(), nearest=nearest)
    return panel(
        "A direct message about what no document holds",
        _asked("Tom", "Do we get company cars?"),
        _answered(lost),
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


def _answer() -> Answer:
    headings = "How long customers have", "Opened items", "Who pays the postage"
    return Answer(
        id="example",
        question="How long can people send things back, and who pays?",
        standalone_question="How long can people send things back, and who pays?",
        text=TEXT,
        route="knowledge",
        citations=tuple(_citation(marker, heading) for marker, heading in enumerate(headings, start=1)),
        nearest=(),
        sentences=(),
        voice=Voice("warm", "2", "0" * 8),
        model="SmolLM2-135M-Instruct",
        index_generation=41,
        timings=Timings(total=2.9),
        read=tuple(
            ReadPassage(title, "", f"{WIKI}/{title}", "", 0.8)
            for title in ("Returns policy", "UK delivery", "Lost and damaged")
        ),
    )


def _citation(marker: int, heading: str) -> Citation:
    read, changed = NOW - timedelta(minutes=4), datetime(2026, 3, 1, 9, tzinfo=UTC)
    return Citation(
        marker, "Returns policy", heading, "returns-policy.md", POLICY, "", "1", read, changed, "wiki"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
