"""What the model has read of beginnings that many prompts share, such as the system message."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.batch import Row
    from adapters.row_attention import LayerMemory


class Openings:
    """Keys and values of prompts' beginnings, by adapter and tokens; those used longest ago make room.

    What one adapter has read is never given to another. An opening is read in a run of its own, whether it
    is kept here or not, so that keeping it changes no bit of an answer.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[str, tuple[int, ...]], tuple[LayerMemory, ...]] = OrderedDict()

    @property
    def bytes(self) -> int:
        """The memory in use."""
        return sum(keys.nbytes + values.nbytes for layers in self._kept.values() for keys, values in layers)

    def recall(self, row: Row) -> None:
        """Let a row that has read nothing begin after its opening, where that is known."""
        key = _key(row)
        if layers := self._kept.get(key):
            self._kept.move_to_end(key)
            row.memory.begin_with(layers)

    def remember(self, row: Row) -> None:
        """Keep what a row has read, which is its opening to the token."""
        if row.opening:
            self._kept[_key(row)] = row.memory.copy()
            while self.bytes > self._max_bytes:
                self._kept.popitem(last=False)


def _key(row: Row) -> tuple[str, tuple[int, ...]]:
    return row.adapter, tuple(row.text[: row.opening])
