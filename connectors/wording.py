"""What people read on every platform, written once: labels, headings, lines about an answer.

A platform gives its own way to make a text harmless (`safe`) and to write a link (`link`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from connectors.conversation import Answer, Citation, NearDocument, ReadPassage
from connectors.freshness import freshness
from connectors.ports import Fault

Safe = Callable[[str], str]
Link = Callable[[str | None, str], str]

HELPFUL = "Helpful"
NOT_HELPFUL = "Not helpful"
SHOW_PASSAGES = "Show passages"
ASK_PERSON = "Ask a person"
SHARE = "Share to channel"
CANCEL = "Cancel"

NEAREST = "Perhaps it stands in one of these:"
NOTHING_READ = "Nothing was read for this answer."
DONE = "Done."

JUDGEMENT_TITLE = "What is wrong?"
FAULT_QUESTION = "What is wrong with the answer?"
BETTER_QUESTION = "What would be a better answer?"
FAULTS: Mapping[Fault, str] = {
    "wrong": "It is wrong",
    "outdated": "It is out of date",
    "missing": "Something is missing",
    "tone": "The tone is off",
}
MOST_BETTER = 3_000

CALLED_ALREADY = "A person was called to this answer already."
SHARED_ALREADY = "This answer was shared already."
CALLED_BY_BUTTON = "Asked by a button under my answer; please reply in this thread."

NO_TEXT = "There is no text in that message that I could answer."

_GAP = "  ·  "
_TITLE = 150
_URI = 120


def cut(text: str, most: int) -> str:
    """A text of at most `most` characters; an ellipsis stands for what was cut off."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def counted(number: int, noun: str) -> str:
    """A number of things: "1 passage", "1,240 passages"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def voice_line(answer: Answer, safe: Safe) -> str:
    """Who spoke, from which state of the index, and how long it took."""
    voice = answer.voice.name
    if voice != "base":
        voice += f"@{answer.voice.version}"
    parts = (f"Voice {safe(voice)}", f"index {answer.index_generation}", f"{answer.timings.total:.1f} s")
    return _GAP.join(parts)


def source_line(citation: Citation, now: datetime, link: Link, safe: Safe) -> str:
    """Title, heading, link of a source, and how fresh it is."""
    return f"{named(citation, link, safe)}{_GAP}{freshness(citation, now)}"


def named(document: Citation | NearDocument, link: Link, safe: Safe) -> str:
    """A document by its title and heading, with its link; without one, where it lies."""
    uri = cut(document.uri, _URI)
    label = cut(" ".join(document.title.split()), _TITLE) or uri or "Untitled"
    if isinstance(document, Citation) and (heading := " ".join(document.heading.split())):
        label += f" › {cut(heading, _TITLE)}"
    shown, unlinked = link(document.url, label), link(None, label)
    return shown if shown != unlinked or label == uri else f"{shown} ({safe(uri)})"


def read_summary(answer: Answer) -> str:
    """How much was read for an answer: "Read 4 passages of 2 documents"."""
    documents = len({(passage.title, passage.url) for passage in answer.read})
    return f"Read {counted(len(answer.read), 'passage')} of {counted(documents, 'document')}"


def read_for(answer: Answer, safe: Safe) -> str:
    """The line above the passages that were read."""
    return f"Read for: {safe(cut(' '.join(answer.question.split()), 300))}"


def passage_name(passage: ReadPassage, link: Link) -> str:
    """A passage by the title and heading of its document, with its link."""
    where = cut(passage.title, _TITLE) + (f" › {cut(passage.heading, _TITLE)}" if passage.heading else "")
    return link(passage.url, " ".join(where.split()))


def passage_score(passage: ReadPassage, answer: Answer) -> str:
    """How well a passage fits the question, and as what it is cited."""
    found = (passage.title, passage.heading, passage.url)
    markers = [c.marker for c in answer.citations if (c.title, c.heading, c.url) == found]
    cited = f"{_GAP}cited as [{markers[-1]}]" if markers else ""
    return f"score {passage.score:.2f}{cited}"


def more_passages(number: int) -> str:
    """What stands for passages that are not shown."""
    return f"… and {number} more, with lower scores."


def shared_by(who: str) -> str:
    """The line above an answer that a person chose to show to all."""
    return f"{who or 'Somebody'} asked me this and shares the answer."


def help_wanted(whom: str, who: str, question: str) -> str:
    """The line that calls a person or group to an answer."""
    return f"{whom}, {who} asks for a person's help with this: {question}"


def switched_off(command: str) -> str:
    """What a person is told who asks where the bot may not answer; `command` asks for one person's eyes."""
    return f"I am switched off in this channel. Ask me in a direct message, or with `{command}`."


def may_not_cancel(starter: str) -> str:
    """What a person is told who may not cancel what another started."""
    return f"Only {starter} and admins may cancel that."
