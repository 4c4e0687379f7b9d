"""What Discord refuses or acts upon, for tests of the builders: its component reference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from discord.ui import LayoutView

Json = Mapping[str, Any]
TEXT, CONTAINER, ROW, BUTTON = 10, 17, 1, 2

# Mentions, custom emoji, times, slash commands, guild navigation.
_ACTIVE = re.compile(
    r"<(?:@[!&]?|#)\d+>|<a?:\w+:\d+>|<t:-?\d+|</[^>\n]*:\d+>|<id:\w+>|@(?:everyone|here)", re.IGNORECASE
)


def check_view(view: LayoutView) -> None:
    """Fail if Discord would refuse a message with this view."""
    components = list(parts_of(view.to_components()))
    texts = [part["content"] for part in components if part["type"] == TEXT]
    ids = [part["custom_id"] for part in components if "custom_id" in part]
    assert 0 < len(components) <= 40
    assert sum(len(text.encode("utf-16-le")) // 2 for text in texts) <= 4_000
    assert all(text.strip() for text in texts)
    assert all(len(name) <= 100 for name in ids)
    assert len(ids) == len(set(ids))
    assert view.is_persistent()
    for part in components:
        if part["type"] == ROW:
            assert 0 < len(part["components"]) <= 5
        if part["type"] == BUTTON:
            assert 0 < len(part["label"]) <= 80


def parts_of(item: Any) -> Iterator[Json]:
    """All components in some."""
    for part in item if isinstance(item, list) else [item]:
        yield part
        yield from parts_of(part.get("components", []))


def texts_of(*views: LayoutView) -> str:
    """All that is drawn of some messages."""
    found = [part for view in views for part in parts_of(view.to_components())]
    return "\n".join(part["content"] for part in found if part["type"] == TEXT)


def labels_of(view: LayoutView) -> list[str]:
    """The buttons of a message."""
    return [part["label"] for part in parts_of(view.to_components()) if part["type"] == BUTTON]


def calls_in(text: str) -> list[str]:
    """What Discord would make a mention, an emoji, a time or a command of, wherever it stands."""
    return _ACTIVE.findall(text)


def links_in(text: str) -> set[str]:
    """Where the links of a text lead, masked and bare."""
    masked = set(re.findall(r"\]\(\s*<?((?:mailto|tel):[^)>\s]+)", text, re.IGNORECASE))
    return masked | set(re.findall(r"[a-z][a-z0-9+.-]*://[^\s<>)\]]+", text, re.IGNORECASE))
