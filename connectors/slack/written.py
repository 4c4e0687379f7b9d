"""What people write in Slack, as plain text."""

from __future__ import annotations

import html
import re
from collections.abc import Collection

# A reference in angle brackets: https://docs.slack.dev/messaging/formatting-message-text
_REFERENCE = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_MENTION = re.compile(
    r"<(?:@([UW][A-Z0-9]+)|!subteam\^(S[A-Z0-9]+)|!(here|channel|everyone))(?:[|^][^<>]*)?>"
)


def mentioned(text: str) -> frozenset[str]:
    """The ids of the people and user groups that a message calls, and `here`, `channel`, `everyone`."""
    return frozenset(next(filter(None, found)) for found in _MENTION.findall(text))


def plain_text(text: str, without: Collection[str] = ()) -> str:
    """A message's text as a person reads it; the mentions of `without` are left out."""

    def spoken(reference: re.Match[str]) -> str:
        sign, target, label = reference.groups()
        if sign == "@":
            return "" if target in without else f"@{label or target}"
        if sign == "#":
            return f"#{label or target}"
        if sign == "!":
            return label or f"@{target.partition('^')[0]}"
        return f"{label} ({target})" if label and label not in target else target

    return html.unescape(_REFERENCE.sub(spoken, text)).strip()
