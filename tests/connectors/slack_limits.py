"""What Slack refuses, for tests of the builders: the limits of its reference pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]


def check_message(blocks: list[Any]) -> None:
    """Fail if Slack would refuse a message with these blocks."""
    assert 0 < len(blocks) <= 50
    assert sum(len(block["text"]) for block in blocks if block["type"] == "markdown") <= 12_000
    _check(blocks)


def check_view(view: Json) -> None:
    """Fail if Slack would refuse a modal or a home."""
    assert 0 < len(view["blocks"]) <= 100
    assert len(json.dumps(view)) < 250_000
    assert len(view.get("private_metadata", "")) <= 3_000
    assert not [block for block in view["blocks"] if block["type"] == "markdown"]
    for part in ("title", "submit", "close"):
        assert 0 < len(view.get(part, {"text": "x"})["text"]) <= 24
    assert "submit" in view or not [block for block in view["blocks"] if block["type"] == "input"]
    _check(view["blocks"])


def _check(blocks: list[Any]) -> None:
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(ids) == len(set(ids))
    for block in blocks:
        assert len(block.get("elements", "x")) in range(
            1, {"context": 11, "context_actions": 6}.get(block["type"], 26)
        )
        actions = [element["action_id"] for element in block.get("elements", ()) if "action_id" in element]
        assert len(actions) == len(set(actions))
    for item in parts_of(blocks):
        text, kind = item.get("text"), item.get("type")
        if kind in ("mrkdwn", "plain_text"):
            assert 0 < len(text or "") <= 3_000
        if kind == "button":
            assert len(item["text"]["text"]) <= 75
            assert 0 < len(item["value"]) <= 2_000
        if kind == "header":
            assert len(item["text"]["text"]) <= 150


def parts_of(item: Any) -> Iterator[Json]:
    """All objects in some JSON."""
    if isinstance(item, Mapping):
        yield item
        for value in item.values():
            yield from parts_of(value)
    elif isinstance(item, list | tuple):
        for value in item:
            yield from parts_of(value)


def texts_of(item: Any) -> str:
    """All that is drawn of some JSON."""
    return "\n".join(part["text"] for part in parts_of(item) if isinstance(part.get("text"), str))
