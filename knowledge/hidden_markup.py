"""Which markup a reader does not see: what hides text by its style shall not reach a model either."""

from __future__ import annotations

import re
from collections.abc import Iterator

_DECLARATION = re.compile(r"([a-z-]{3,40})\s*:\s*([^;]{1,200})")
_NUMBER = re.compile(r"-?\d*\.?\d+")
_FAR = 900.0
_FAINT = 0.05
_TAG = re.compile(
    r"<(?P<slash>/?)(?P<name>[a-z][a-z0-9]{0,20})(?P<attributes>(?:\s[^<>]{0,2000})?)>", re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"([a-z-]{1,40})(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?", re.IGNORECASE)


def hides(style: str) -> bool:
    """Whether the declarations of a `style` attribute (CSS) leave nothing to be seen of an element's text."""
    found = {name: value.strip() for name, value in _DECLARATION.findall(style.lower())}
    if found.get("display", "").startswith("none") or re.match(
        "hidden|collapse", found.get("visibility", "")
    ):
        return True
    if _number(found.get("font-size", "")) == 0 or found.get("color", "").startswith("transparent"):
        return True
    opacity = _number(found.get("opacity", ""))
    if opacity is not None and opacity <= _FAINT:
        return True
    if found.get("position", "").startswith(("absolute", "fixed")) and any(
        (place := _number(found.get(side, ""))) is not None and place <= -_FAR
        for side in ("left", "right", "top", "bottom")
    ):
        return True
    if (_number(found.get("text-indent", "")) or 0) <= -_FAR or "rect(0" in found.get("clip", ""):
        return True
    has_no_room = any(_number(found.get(side, "")) == 0 for side in ("width", "height", "max-height"))
    return has_no_room and "hidden" in found.get("overflow", "")


def hidden_elements(markdown: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give start and end of each HTML element in a stretch of Markdown whose tag says that it is not seen.

    An element that is not closed reaches to the end of the stretch.
    """
    opened, name, depth = -1, "", 0
    for tag in _TAG.finditer(markdown, start, end):
        if opened < 0 and not tag["slash"] and _says_hidden(tag["attributes"]):
            opened, name, depth = tag.start(), tag["name"].lower(), 1
        elif opened >= 0 and tag["name"].lower() == name:
            depth += -1 if tag["slash"] else 1
            if depth == 0:
                yield opened, tag.end()
                opened = -1
    if opened >= 0:
        yield opened, end


def _says_hidden(attributes: str) -> bool:
    for name, *values in _ATTRIBUTE.findall(attributes):
        if name.lower() == "hidden" or (name.lower() == "style" and hides("".join(values))):
            return True
    return False


def _number(value: str) -> float | None:
    found = _NUMBER.match(value)
    return float(found[0]) if found else None
