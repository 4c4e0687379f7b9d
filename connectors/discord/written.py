"""What people write in Discord, as plain text.

https://discord.com/developers/docs/reference#message-formatting
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"<(?:(@!?|@&|#)(\d{1,20})|a?:(\w{1,32}):\d{1,20})>")


def plain_text(text: str, names: Mapping[str, str], without: str) -> str:
    """A message as a person reads it; `names` are of the ids in it, mentions of `without` are left out."""

    def spoken(reference: re.Match[str]) -> str:
        sign, target, emoji = reference.groups()
        if emoji:
            return f":{emoji}:"
        if target == without:
            return ""
        return f"{sign[0]}{names.get(target, target)}"

    return _REFERENCE.sub(spoken, text).strip()
