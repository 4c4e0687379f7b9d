"""Draws Block Kit JSON as a page that resembles Slack; for pictures in the documentation alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape, unescape
from typing import Any

from markdown_it import MarkdownIt

Json = Mapping[str, Any]

_EMOJI = {":hourglass_flowing_sand:": "⏳", ":no_entry:": "⛔"}
_THUMB = (
    '<svg width="12" height="12" viewBox="0 0 16 16" fill="none" stroke="#616061" stroke-width="1.4"{turn}>'
    '<path d="M2 7h2.6v7H2zM4.6 7.6 7.4 2c1.5 0 1.9 1 1.7 2.2L8.7 6.4h4.1c1 0 1.5.8 1.3 1.7l-1 4.6'
    'c-.2.8-.8 1.3-1.6 1.3H4.6"/></svg>'
)
STYLE = """
* { box-sizing: border-box; margin: 0 }
body { font: 15px/1.47 "Lato", "DejaVu Sans Condensed", sans-serif; color: #1d1c1d; background: #eceaec;
  padding: 20px; width: 1320px; display: grid; grid-template-columns: 1fr 1fr; gap: 18px; align-items: start }
.note { grid-column: 1 / -1; color: #616061; font-size: 13px }
.panel { background: #fff; border-radius: 10px; border: 1px solid #d8d5d8; overflow: hidden }
.panel > h2 { font-size: 14px; padding: 9px 18px; background: #f8f8f8; border-bottom: 1px solid #e4e2e4 }
.column { display: grid; gap: 18px }
.message { display: grid; grid-template-columns: 36px 1fr; gap: 10px; padding: 10px 18px }
.face { width: 36px; height: 36px; border-radius: 8px; color: #fff; font-weight: 700; display: grid;
  place-items: center }
.app { background: #e8e8e8; border-radius: 3px; font-size: 10px; padding: 1px 4px; color: #616061;
  font-weight: 700; vertical-align: 1px }
.time { color: #616061; font-size: 12px }
.block { margin: 4px 0 }
.markdown p { margin: 0 0 4px }
.markdown ol, .markdown ul { padding-left: 24px }
.home { padding: 8px 18px 16px }
.header { font-size: 18px; font-weight: 900; margin: 10px 0 4px }
.context { color: #616061; font-size: 12.5px; line-height: 1.6 }
.context b { color: #1d1c1d }
a { color: #1264a3; text-decoration: none }
hr { border: 0; border-top: 1px solid #e4e2e4; margin: 12px 0 }
.mention { background: #f8e9c3; color: #1264a3; border-radius: 3px; padding: 0 2px }
.actions { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 8px }
.button { border: 1px solid #bbb9bb; border-radius: 7px; padding: 4px 12px; font-weight: 700;
  font-size: 13.5px; background: #fff }
.button.primary { background: #007a5a; color: #fff; border-color: #007a5a }
.button.danger { color: #e01e5a; border-color: #e01e5a }
.thumbs { display: flex; gap: 6px }
.thumb { border: 1px solid #dddbdd; border-radius: 14px; padding: 1px 10px; font-size: 12px; color: #616061 }
.thumb svg { vertical-align: -1px }
.task { border: 1px solid #dddbdd; border-radius: 8px; padding: 8px 12px; font-size: 13.5px; width: 470px }
.mark { color: #1264a3; margin-right: 7px }
.mark.complete { color: #007a5a }
.sources { display: flex; flex-wrap: wrap; gap: 6px; margin: 6px 0 0 22px }
.sources a { background: #f4f3f4; border-radius: 10px; padding: 1px 9px; font-size: 12px }
.status { color: #616061; font-size: 13px; padding: 0 18px 6px 64px; font-style: italic }
table { border-collapse: collapse; margin: 6px 0; font-size: 14px }
td, th { border: 1px solid #dddbdd; padding: 3px 9px; text-align: left }
code { background: #f6f6f6; border: 1px solid #e4e2e4; border-radius: 3px; padding: 0 3px; color: #c01343;
  font-size: 12.5px }
"""


def message(who: str, colour: str, time: str, *blocks: str, app: bool = False) -> str:
    """A message of somebody."""
    face = f'<div class="face" style="background:{colour}">{escape(who[0])}</div>'
    badge = ' <span class="app">APP</span>' if app else ""
    head = f'<div class="who"><b>{escape(who)}</b>{badge} <span class="time">{escape(time)}</span></div>'
    return f'<div class="message">{face}<div>{head}{"".join(blocks)}</div></div>'


def drawn(blocks: Sequence[Json]) -> str:
    """Blocks of a message or a view, and chunks of a stream."""
    return "".join(
        f'<div class="block {block["type"]}">{_KINDS[block["type"]](block)}</div>' for block in blocks
    )


def mrkdwn(text: str) -> str:
    """Slack's own markup as HTML."""
    made = re.sub(r"<(https?://[^|>]+)\|([^>]*)>", r'<a href="\1">\2</a>', text)
    made = re.sub(r"<@(\w+)>", r'<span class="mention">@\1</span>', made)
    made = re.sub(r"(?<!\w)\*([^*\n]+)\*(?!\w)", r"<b>\1</b>", made)
    made = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", made)
    for name, sign in _EMOJI.items():
        made = made.replace(name, sign)
    return made.replace("\n", "<br>")


def _text(item: Json) -> str:
    return mrkdwn(item["text"]) if item["type"] == "mrkdwn" else escape(item["text"])


def _markdown(block: Json) -> str:
    return str(MarkdownIt("commonmark", {"breaks": True}).enable("table").render(unescape(block["text"])))


def _button(item: Json) -> str:
    return f'<span class="button {item.get("style", "")}">{_text(item["text"])}</span>'


def _thumbs(block: Json) -> str:
    pair = block["elements"][0]
    up, down = _THUMB.format(turn=""), _THUMB.format(turn=' style="transform: rotate(180deg)"')
    sides = ((up, pair["positive_button"]), (down, pair["negative_button"]))
    shown = "".join(f'<span class="thumb">{sign} {_text(side["text"])}</span>' for sign, side in sides)
    return f'<div class="thumbs">{shown}</div>'


def _task(block: Json) -> str:
    mark = {"in_progress": "◌", "complete": "✓", "error": "✕", "pending": "○"}[block["status"]]
    links = "".join(f'<a href="{escape(s["url"])}">{escape(s["text"])}</a>' for s in block.get("sources", ()))
    sources = f'<div class="sources">{links}</div>' if links else ""
    title = f'<span class="mark {block["status"]}">{mark}</span>{escape(block["title"])}'
    return f'<div class="task">{title}{sources}</div>'


_KINDS: Mapping[str, Callable[[Json], str]] = {
    "markdown": _markdown,
    "markdown_text": _markdown,
    "section": lambda block: _text(block["text"]),
    "context": lambda block: " ".join(map(_text, block["elements"])),
    "header": lambda block: _text(block["text"]),
    "divider": lambda block: "<hr>",
    "actions": lambda block: "".join(map(_button, block["elements"])),
    "context_actions": _thumbs,
    "task_update": _task,
}
