"""How the bot's finished messages are known among others: a block of each has a name of ours.

A message that is still being streamed has none, and Slack gives names of its own to all other blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.slack.blocks import Json

_MARK = "lorebot:"
# https://docs.slack.dev/reference/block-kit/blocks
_LONGEST = 255


def marked(blocks: Sequence[Json], name: str) -> list[Json]:
    """Blocks of which one is named, for `name` may be the key of what they answer; as they are if one was."""
    if any(_is_ours(block.get("block_id")) for block in blocks):
        return list(blocks)
    free = next((index for index, block in enumerate(blocks) if "block_id" not in block), None)
    return [
        {**block, "block_id": _mark(name)} if index == free else block for index, block in enumerate(blocks)
    ]


def marks_of(message: Mapping[str, Any]) -> frozenset[str]:
    """Our names of a message's blocks; none for one that is not finished, or not ours."""
    return frozenset(_names(message.get("blocks") or ()))


def is_answer_to(message: Mapping[str, Any], key: str) -> bool:
    """Whether a message of the bot is the complete answer to a delivery."""
    return _mark(key) in marks_of(message)


def _names(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from (str(block["block_id"]) for block in blocks if _is_ours(block.get("block_id")))


def _is_ours(block_id: Any) -> bool:
    return str(block_id or "").startswith(_MARK)


def _mark(name: str) -> str:
    return f"{_MARK}{name}"[:_LONGEST]
