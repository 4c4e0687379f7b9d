"""What is seen while the bot works, and what a command did."""

from __future__ import annotations

from collections.abc import Iterable

from discord.ui import LayoutView

from connectors.conversation import NearDocument, Progress
from connectors.discord.answer_view import parts
from connectors.discord.buttons import CancelButton
from connectors.discord.layout import MOST_CHARACTERS, QUIET, WARNING, boxed, row, size, small, text, view
from connectors.discord.safe_text import link, markdown, plain, words
from connectors.ports import Administered
from connectors.safe_links import canonical
from connectors.wording import DONE

_DOING = 300
_LABEL = 60
_DOCUMENTS = 5
_WORKS = "⏳"
_REFUSED = "⛔"


def progress_view(progress: Progress, said: str = "") -> LayoutView:
    """What is being done, with the documents that are being read, under what has been said so far.

    `said` is Markdown as it came; of a long one the end is shown.
    """
    lines = [small(f"{_WORKS} {words(plain(progress.text, _DOING))}"), *_documents(progress.reading)]
    doing = "\n".join(lines)
    shown = parts(markdown(said), MOST_CHARACTERS - size(doing) - 2)
    if not shown:
        return view(text(doing))
    return view(text(shown[-1] if len(shown) == 1 else f"…\n{shown[-1]}"), text(doing))


def admin_progress(progress: Progress, run: str) -> LayoutView:
    """A command that runs, and a button that cancels it; `run` comes back when it is pressed."""
    doing = text(f"{_WORKS} {words(plain(progress.text, _DOING))}")
    return view(boxed(doing, row([CancelButton(run)]), colour=QUIET))


def admin_results(result: Administered) -> tuple[LayoutView, ...]:
    """What a command did or found, or why not."""
    made = markdown(result.text) or DONE
    if result.refused:
        return tuple(
            view(boxed(text(part), colour=WARNING)) for part in parts(f"{_REFUSED} {made}", MOST_CHARACTERS)
        )
    return tuple(view(text(part)) for part in parts(made, MOST_CHARACTERS))


def _documents(documents: Iterable[NearDocument]) -> list[str]:
    """A line of the documents that have a link, each once, the best first."""
    titles: dict[str, str] = {}
    for document in documents:
        if url := canonical(document.url or ""):
            titles.setdefault(url, document.title)
    named = [link(url, plain(title, _LABEL) or url) for url, title in list(titles.items())[:_DOCUMENTS]]
    return [small("  ·  ".join(named))] if named else []
