"""Discord's objects, as its REST API gives them: what else would be read of each at many places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from knowledge.documents import KnowledgeError

# https://docs.discord.com/developers/topics/permissions
_ADMINISTRATOR = 1 << 3
_MAY_READ = 1 << 10 | 1 << 16
_EPOCH_MS = 1_420_070_400_000
_ID = re.compile(r"[1-9][0-9]{0,18}")


def is_open(guild: str, everyone: Mapping[str, Any], channel: Mapping[str, Any]) -> bool:
    """Whether each member may see a channel and read its history, by the role @everyone."""
    allowed = _bits(everyone.get("permissions"))
    overwrites = channel.get("permission_overwrites")
    if not isinstance(overwrites, list):
        return False
    for overwrite in objects_of(overwrites):
        if str(overwrite.get("id")) == guild:
            allowed = allowed & ~_bits(overwrite.get("deny")) | _bits(overwrite.get("allow"))
    return bool(_bits(everyone.get("permissions")) & _ADMINISTRATOR) or allowed & _MAY_READ == _MAY_READ


def is_blank(raw: Mapping[str, Any]) -> bool:
    """Whether a message has nothing in it."""
    parts = ("content", "attachments", "embeds", "sticker_items", "poll", "components", "message_snapshots")
    return not any(raw.get(part) for part in parts)


def author_of(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give who wrote a message."""
    author = raw.get("author")
    return author if isinstance(author, dict) else {}


def archived_at(raw: Mapping[str, Any]) -> str:
    """Give the time at which a thread was archived, in ISO 8601; "" for an active one."""
    told = raw.get("thread_metadata")
    text = told.get("archive_timestamp") if isinstance(told, dict) and told.get("archived") else None
    return text if isinstance(text, str) else ""


def field_of(answer: object, key: str) -> Any:
    """Give a field that an answer must have. Raises `KnowledgeError`."""
    if not isinstance(answer, dict) or key not in answer:
        raise KnowledgeError(f"Discord answers without {key}.")
    return answer[key]


def objects_of(value: object) -> list[Mapping[str, Any]]:
    """Give the objects of what should be a list of them."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _bits(value: object) -> int:
    text = str(value)
    return int(text[:30]) if text.isascii() and text.isdigit() else 0


def snowflake(value: object) -> int:
    """Read an id (https://docs.discord.com/developers/reference#snowflakes); 0 for what is none."""
    return int(value) if isinstance(value, str) and _ID.fullmatch(value) else 0


def created(id_: int) -> float:
    """Give the time, in Unix seconds, that an id holds."""
    return ((id_ >> 22) + _EPOCH_MS) / 1000


def unix(text: str) -> float:
    """Read a time in ISO 8601 as Unix seconds; 0 for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
