"""A page of panels, for the pictures in the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def page(style: str, note: str, columns: Sequence[Sequence[str]]) -> str:
    """A page of panels in columns, with a line above that says what it is."""
    shown = "".join(f'<div class="column">{"".join(column)}</div>' for column in columns)
    body = f'<p class="note">{escape(note)}</p>{shown}'
    return f'<!doctype html><meta charset="utf-8"><style>{style}</style><body>{body}</body>'


def panel(title: str, *contents: str) -> str:
    """A window with a title."""
    return f'<section class="panel"><h2>{escape(title)}</h2>{"".join(contents)}</section>'
