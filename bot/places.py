"""Where a voice may be set: everywhere, on a platform, in a workspace, in a channel."""

from __future__ import annotations

import difflib
import re

from connectors.conversation import Place

EVERYWHERE = "default"
PLATFORMS = ("discord", "slack", "terminal")

_ID = r"[A-Za-z0-9@_.-]{1,100}"
_PLACE = re.compile(rf"([a-z]+)(?::({_ID})(?:/({_ID}))?)?")


class PlaceError(Exception):
    """No such place can be; the message is one line that says how one is written."""


def parse_place(text: str) -> str:
    """A place as a person writes it: `default`, `terminal`, `slack`, `slack:T123`, `slack:T123/C456`.

    Raises `PlaceError`.
    """
    if text == EVERYWHERE:
        return text
    written = _PLACE.fullmatch(text)
    if written is None:
        raise PlaceError(
            f"{text!r} is no place; write {EVERYWHERE}, terminal, slack:WORKSPACE, slack:WORKSPACE/CHANNEL "
            "or discord:SERVER/CHANNEL"
        )
    if written[1] not in PLATFORMS:
        near = difflib.get_close_matches(text.partition(":")[0], (EVERYWHERE, *PLATFORMS), n=1)
        known = f"did you mean {near[0]!r}?" if near else f"there are {EVERYWHERE}, {', '.join(PLATFORMS)}"
        raise PlaceError(f"{text!r} begins with no platform; {known}")
    return text


def name_place(place: Place) -> str:
    """The name of the place where a question is asked, as precise as the platform tells."""
    return f"{place.platform}:{place.workspace}/{place.id}" if place.workspace else place.platform


def wider_places(place: str) -> tuple[str, ...]:
    """A place and all that it lies in, the most specific first: channel, workspace, platform, default."""
    if place == EVERYWHERE:
        return (EVERYWHERE,)
    workspace = place.partition("/")[0]
    platform = workspace.partition(":")[0]
    return tuple(dict.fromkeys((place, workspace, platform, EVERYWHERE)))
