"""Whether a sentence of the model says that the evidence does not hold the answer."""

from __future__ import annotations

import re

_DENIES = re.compile(
    r"\b(?:not|no|none|nothing|never|cannot|unable|without|silent|sorry|afraid)\b|n['’]t\b", re.IGNORECASE
)


def declines(sentence: str, markers: tuple[int, ...]) -> bool:
    """Whether a trained adapter's sentence declines: it denies something and names no evidence for it.

    Adapters learn to put a marker after whatever they state, and none after a refusal.
    """
    return not markers and _DENIES.search(sentence) is not None
