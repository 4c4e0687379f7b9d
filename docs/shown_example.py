"""The fixed example that the pictures of both platforms show, and how a page becomes a picture."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.conversation import Answer, Citation, NearDocument, ReadPassage, Timings, Voice

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
QUESTION = "How long can people send things back, and who pays?"
UNKNOWN = "Do we get company cars?"
_WIKI = "https://wiki.brindleandfell.example"
_TEXT = (
    "A customer has **30 days** from the day of delivery to send something back [1]. If the packaging was "
    "opened but the item has not been used, it is still a full refund; if it has plainly been used, we offer "
    "store credit for 80% of the price paid [2].\n\n"
    "| Reason for return | Postage |\n| --- | --- |\n| Changed mind, UK | £3.95 |\n"
    "| Faulty, damaged or wrong item | We pay [3] |"
)


def answer() -> Answer:
    """An answer with three citations and a table."""
    headings = "How long customers have", "Opened items", "Who pays the postage"
    passages = {
        "Returns policy": "Customers have 30 days from the day of delivery to send an item back.",
        "UK delivery": "A parcel within the UK costs £3.95 up to 20 kg.",
        "Lost and damaged": "If an item arrives damaged, we pay for the way back.",
    }
    return Answer(
        id="example",
        question=QUESTION,
        standalone_question=QUESTION,
        text=_TEXT,
        route="knowledge",
        citations=tuple(_citation(marker, heading) for marker, heading in enumerate(headings, start=1)),
        nearest=(),
        sentences=(),
        voice=Voice("warm", "2", "0" * 8),
        model="SmolLM2-135M-Instruct",
        index_generation=41,
        timings=Timings(total=2.9),
        read=tuple(ReadPassage(title, "", f"{_WIKI}/{title}", text, 0.8) for title, text in passages.items()),
    )


def abstention() -> Answer:
    """An answer that is none, with the nearest documents."""
    documents = ("Expenses policy", "expenses-policy"), ("Working hours and leave", "leave")
    nearest = tuple(NearDocument(title, name, f"{_WIKI}/{name}") for title, name in documents)
    text = "I do not find anything about company cars in the documents that I may read here."
    return replace(answer(), text=text, route="abstain", citations=(), nearest=nearest)


def reading() -> tuple[NearDocument, ...]:
    """The documents that are read for the answer."""
    return tuple(NearDocument(passage.title, passage.title, passage.url) for passage in answer().read)


def begun() -> str:
    """The answer's text as far as its first sentence."""
    return _TEXT.partition("If")[0]


def take_picture(page: str, picture: Path, size: str) -> None:
    """Have Chromium draw a page; `size` is its width and height in pixels, as in "1320,930"."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        window = (f"--window-size={size}", "--hide-scrollbars", "--force-device-scale-factor=1")
        chromium = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", *window)
        shot = f"--screenshot={picture.resolve()}"
        subprocess.run([*chromium, shot, source.as_uri()], check=True)  # noqa: S603 - all are our own words


def _citation(marker: int, heading: str) -> Citation:
    read, changed = NOW - timedelta(minutes=4), datetime(2026, 3, 1, 9, tzinfo=UTC)
    url = f"{_WIKI}/returns-policy"
    return Citation(
        marker, "Returns policy", heading, "returns-policy.md", url, "", "1", read, changed, "wiki"
    )
