"""What is seen while the bot works: a status, a task card with what it reads, an admin's progress.

https://docs.slack.dev/reference/methods/chat.appendStream (chunks)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors.conversation import Answer, NearDocument, Progress
from connectors.ports import Administered
from connectors.safe_links import canonical
from connectors.slack import names
from connectors.slack.blocks import MOST_CHARACTERS, Json, Message, actions, button, markdown_block, section
from connectors.slack.safe_text import markdown, mrkdwn, plain
from connectors.splitting import split
from connectors.wording import CANCEL, DONE, read_summary

_TASK = "reading"
_TITLE = 256
_SOURCES = 10


def status_text(progress: Progress) -> str:
    """The line under the thread while nothing is to be read yet."""
    return plain(progress.text, 100)


def working_chunks(progress: Progress) -> list[Json]:
    """The task card as it is now, with links to the documents that are being read once they are known."""
    return [_task(progress.text, "in_progress", progress.reading)]


def read_chunks(answer: Answer) -> list[Json]:
    """The task card when all is read; its links stay, for an update adds to them. No card if nothing was."""
    if not answer.read:
        return []
    return [_task(read_summary(answer), "complete")]


def text_chunk(text: str) -> Json:
    """A piece of the answer; `text` has been made safe."""
    return {"type": "markdown_text", "text": text}


def admin_progress(progress: Progress, key: str) -> Message:
    """A command that runs, and a button that cancels it; `key` comes back when it is pressed."""
    cancel = button(CANCEL, names.CANCEL, key, "danger")
    text = mrkdwn(progress.text)
    return Message(text, (section(f":hourglass_flowing_sand: {text}"), actions(cancel)))


def admin_result(result: Administered) -> tuple[Message, ...]:
    """What a command did or found, or why not."""
    text = markdown(result.text) or DONE
    parts = split(f":no_entry: {text}" if result.refused else text, MOST_CHARACTERS - 500)
    return tuple(Message(mrkdwn(result.text, 300) or DONE, (markdown_block(part),)) for part in parts)


def _task(title: str, status: str, reading: Iterable[NearDocument] = ()) -> Json:
    task: Json = {"type": "task_update", "id": _TASK, "title": plain(title, _TITLE) or "…", "status": status}
    sources = list(_url_sources(reading))
    return task | ({"sources": sources} if sources else {})


def _url_sources(documents: Iterable[NearDocument]) -> Iterator[Json]:
    """Each document that has a link, once, the best first."""
    titles: dict[str, str] = {}
    for document in documents:
        if url := canonical(document.url or ""):
            titles.setdefault(url, document.title)
    for url, title in list(titles.items())[:_SOURCES]:
        yield {"type": "url", "url": url, "text": plain(title, 100) or url}
