"""Draws Discord's components as a page that resembles it; for pictures in the documentation alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt

Json = Mapping[str, Any]

_TEXT, _CONTAINER, _LINE, _ROW, _LABEL, _SELECT, _INPUT = 10, 17, 14, 1, 18, 3, 4
_STYLES = {1: "primary", 2: "secondary", 3: "success", 4: "danger"}
STYLE = """
* { box-sizing: border-box; margin: 0 }
body { font: 15px/1.4 "gg sans", "Noto Sans", "DejaVu Sans Condensed", sans-serif; color: #dbdee1;
  background: #1e1f22; padding: 20px; width: 1320px; display: grid; grid-template-columns: 1fr 1fr; gap: 18px;
  align-items: start }
.note { grid-column: 1 / -1; color: #949ba4; font-size: 13px }
.column { display: grid; gap: 18px }
.panel { background: #313338; border-radius: 8px; overflow: hidden; padding-bottom: 10px }
.panel > h2 { font-size: 14px; padding: 10px 16px; border-bottom: 1px solid #26272b; color: #f2f3f5 }
.message { display: grid; grid-template-columns: 40px 1fr; gap: 14px; padding: 10px 16px 2px }
.face { width: 40px; height: 40px; border-radius: 50%; color: #fff; font-weight: 700; display: grid;
  place-items: center }
.who b { color: #f2f3f5 }
.app { background: #5865f2; border-radius: 4px; font-size: 10px; padding: 1px 5px; color: #fff;
  font-weight: 700; vertical-align: 1px }
.time, .eyes { color: #949ba4; font-size: 12px }
.text { margin: 2px 0 4px }
.text p { white-space: pre-line }
.text ul { padding-left: 22px }
.text p + p, .text p + ul { margin-top: 6px }
.text h3 { font-size: 16px; color: #f2f3f5; margin: 2px 0 4px }
.text b, .text strong { color: #f2f3f5 }
.text blockquote { border-left: 4px solid #4e5058; border-radius: 2px; padding-left: 10px; margin: 3px 0 }
.small, .small b { color: #949ba4; font-size: 12.5px; line-height: 1.6 }
.container { background: #2b2d31; border: 1px solid #3a3c42; border-left: 4px solid; border-radius: 8px;
  padding: 9px 14px; margin: 6px 0; max-width: 560px }
hr { border: 0; border-top: 1px solid #3f4147; margin: 6px 0 }
.row { display: flex; flex-wrap: wrap; gap: 8px; margin: 6px 0 }
.button { border-radius: 8px; padding: 5px 14px; font-weight: 600; font-size: 13.5px; color: #fff;
  background: #4e5058 }
.button.primary { background: #5865f2 }
.button.danger { background: #da373c }
.mention { background: #3c4270; color: #c9cdfb; border-radius: 3px; padding: 0 2px }
a { color: #00a8fc; text-decoration: none }
pre { background: #2b2d31; border: 1px solid #1e1f22; border-radius: 4px; padding: 8px 10px; margin: 4px 0;
  white-space: pre-wrap }
pre, code { font: 13px/1.4 "DejaVu Sans Mono", monospace }
.modal { padding: 6px 18px }
.field { margin: 10px 0 }
.field b { display: block; font-size: 13.5px; margin-bottom: 5px; color: #f2f3f5 }
.input { background: #1e1f22; border-radius: 5px; padding: 8px 10px; color: #949ba4; font-size: 13.5px }
.input.tall { height: 58px }
"""


def message(who: str, colour: str, html: str, app: bool = False, only_you: bool = False) -> str:
    """A message of somebody."""
    face = f'<div class="face" style="background:{colour}">{escape(who[0])}</div>'
    badge = ' <span class="app">APP</span>' if app else ""
    head = f'<div class="who"><b>{escape(who)}</b>{badge} <span class="time">12:00</span></div>'
    eyes = '<div class="eyes">Only you can see this</div>' if only_you else ""
    return f'<div class="message">{face}<div>{head}{html}{eyes}</div></div>'


def drawn(components: Sequence[Json]) -> str:
    """Components of a message or a form."""
    return "".join(_KINDS[part["type"]](part) for part in components)


def markdown(text: str) -> str:
    """Discord's Markdown as HTML: small print is a paragraph of its own, a line's end stays one.

    The hourglass is drawn as a letter, for few machines have a font of such signs.
    """
    blocks: list[str] = []
    for is_small, lines in _runs(text.split("\n")):
        if is_small:
            inner = "<br>".join(_PARSER.renderInline(line.removeprefix("-# ")) for line in lines)
            blocks.append(f'<div class="small">{inner}</div>')
        else:
            blocks.append(_PARSER.render("\n".join(lines)))
    return re.sub(
        r"&lt;@(\d+)&gt;", '<span class="mention">@Imogen</span>', "".join(blocks).replace("⏳", "◴")
    )


def _runs(lines: Sequence[str]) -> list[tuple[bool, list[str]]]:
    """Lines of small print and others, in runs."""
    runs: list[tuple[bool, list[str]]] = []
    for line in lines:
        is_small = line.startswith("-# ")
        if not runs or runs[-1][0] != is_small:
            runs.append((is_small, []))
        runs[-1][1].append(line)
    return runs


def _container(part: Json) -> str:
    colour = f"#{part['accent_color']:06x}"
    return f'<div class="container" style="border-left-color:{colour}">{drawn(part["components"])}</div>'


def _button(item: Json) -> str:
    return f'<span class="button {_STYLES[item["style"]]}">{escape(item["label"])}</span>'


def _row(part: Json) -> str:
    return f'<div class="row">{"".join(map(_button, part["components"]))}</div>'


_PARSER = MarkdownIt("commonmark", {"breaks": True})
_KINDS: Mapping[int, Callable[[Json], str]] = {
    _TEXT: lambda part: f'<div class="text">{markdown(part["content"])}</div>',
    _CONTAINER: _container,
    _LINE: lambda part: "<hr>",
    _ROW: _row,
    _LABEL: lambda part: (
        f'<div class="field"><b>{escape(part["label"])}</b>{drawn([part["component"]])}</div>'
    ),
    _SELECT: lambda part: '<div class="input">Make a selection</div>',
    _INPUT: lambda part: '<div class="input tall"></div>',
}
