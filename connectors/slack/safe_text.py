"""Text of models, documents and people, made harmless for each of Slack's kinds of text.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

from connectors import safe_markdown as safe
from connectors.safe_links import JOINER, canonical
from connectors.wording import cut

# A link that is longer is not drawn as one.
LONGEST_URL = 1500
# Emphasis and code begin and end at the edge of a word; inside one the marks are letters.
_HALF_ENTITY = re.compile(r"&\w{0,4}$")
_MARK = re.compile(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])")


def markdown(text: str, links: frozenset[str] = frozenset()) -> str:
    """Markdown for `markdown` blocks and streams; `links` are those that stay (see `allowed_links`)."""
    return safe.safe_markdown(text, links, _entities)


def mrkdwn(text: str, most: int = 3000) -> str:
    """A text without markup for a mrkdwn object or a fallback, cut to `most`: nothing in it is markup."""
    made = _escaped(safe.safe_words(text[: 2 * most]))
    return made if len(made) <= most else _HALF_ENTITY.sub("", cut(made, most).removesuffix("…")) + "…"


def plain(text: str, most: int = 3000) -> str:
    """One line for a plain_text object, cut to `most` characters."""
    return cut(" ".join(safe.safe_words(text).split()), most)


def link(url: str | None, label: str) -> str:
    """A mrkdwn link; the label alone if the URL is not http(s)."""
    target = canonical(url or "")
    words = mrkdwn(label).replace("|", "¦")
    return (
        words if target is None or len(target) > LONGEST_URL else f"<{target.replace('&', '&amp;')}|{words}>"
    )


class SafeStream(safe.SafeStream):
    """`markdown` for a text that arrives in pieces."""

    def __init__(self, links: frozenset[str] = frozenset()) -> None:
        super().__init__(links, _entities)


def _entities(text: str) -> str:
    """A `>` stays: at the start of a line it is a quotation, and alone it opens nothing."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _escaped(text: str) -> str:
    return _entities(_MARK.sub(lambda mark: mark[0] + JOINER, text)).replace(">", "&gt;")
