"""Draw what people see in Discord, from the components that the connector makes of a fixed example.

python docs/discord_messages.py docs/discord.png

Discord itself is not asked: the components are drawn in a page, and Chromium takes its picture.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from components_page import STYLE, drawn, message
from discord.ui import LayoutView
from panels import page, panel
from shown_example import NOW, QUESTION, UNKNOWN, abstention, answer, begun, reading, take_picture

from connectors.commands import Forget, confirmation, written
from connectors.conversation import Answer, Progress
from connectors.discord.answer_view import answer_views
from connectors.discord.buttons import answer_buttons
from connectors.discord.layout import Part
from connectors.discord.modals import confirmation_view, judgement_modal
from connectors.discord.names import thread_name
from connectors.discord.progress_view import admin_progress, progress_view

SIZE = "1320,1000"
NOTE = (
    "A rendering: these components are what the connector sends; the page around them only resembles Discord."
)
MENTION = '<span class="mention">@Lorebot</span> '
EXPERT = "role:123"


def the_page() -> str:
    """A question, its answer on the way and complete, one for one person, a form, and what admins see."""
    return page(STYLE, NOTE, [[_growing(), _thread(), _judging()], [_alone(), _administering()]])


def _growing() -> str:
    asked = _asked("Imogen", MENTION + QUESTION)
    view = progress_view(Progress("Reading 4 passages", reading()), begun())
    return panel("#support: asked, and the answer on its way in a thread", asked, _bot(view))


def _thread() -> str:
    return panel(f"Thread: {thread_name(QUESTION)}", *_answered(answer(), answer_buttons(answer(), EXPERT)))


def _alone() -> str:
    buttons = answer_buttons(abstention(), None)
    asked = _asked("Tom", f'<span class="mention">/ask</span> question: {UNKNOWN} &nbsp;private: True')
    return panel("/ask, what no document holds", asked, *_answered(abstention(), buttons, only_you=True))


def _judging() -> str:
    form = judgement_modal(answer().id).to_dict()
    return panel(f"Not helpful: {form['title']}", f'<div class="modal">{drawn(form["components"])}</div>')


def _administering() -> str:
    command = Forget("https://wiki.brindleandfell.example/old-returns")
    asked = confirmation(command)
    if asked is None:
        raise ValueError(f"{command} asks for no confirmation")
    progress = admin_progress(Progress("Reading help-centre: 48 of 212 pages"), "example")
    return panel(
        "/lorebot reindex and /lorebot forget",
        _bot(progress, only_you=True),
        _bot(confirmation_view(asked, written(command), "example"), only_you=True),
    )


def _asked(who: str, html: str) -> str:
    return message(who, "#8a5a9e", f'<div class="text">{html}</div>')


def _answered(answer: Answer, buttons: Sequence[Part], only_you: bool = False) -> list[str]:
    return [_bot(view, only_you) for view in answer_views(answer, NOW, buttons)]


def _bot(view: LayoutView, only_you: bool = False) -> str:
    return message("Lorebot", "#1f3a5f", drawn(view.to_components()), app=True, only_you=only_you)


if __name__ == "__main__":
    take_picture(the_page(), Path(sys.argv[1]), SIZE)
