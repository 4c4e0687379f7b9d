"""The entries of a feed that have been seen, those too that the feed no longer shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An entry as a page of HTML; `modified` is its date in ISO 8601, if it has one."""

    uri: str
    version: str
    html: str
    url: str | None
    modified: str | None


@dataclass(frozen=True, slots=True)
class FeedArchive:
    """All entries kept, newest first, and the feed's validators (RFC 9110, section 8.8).

    `loaded_at` (seconds since 1970) is when the feed was last transferred.
    """

    etag: str = ""
    last_modified: str = ""
    loaded_at: float = 0.0
    entries: tuple[FeedEntry, ...] = ()

    def joined_by(self, fresh: Sequence[FeedEntry], most: int) -> tuple[FeedEntry, ...]:
        """Give the fresh entries, then those kept that are not among them, `most` together."""
        by_uri: dict[str, FeedEntry] = {}
        for entry in (*fresh, *self.entries):
            by_uri.setdefault(entry.uri, entry)
        return tuple(by_uri.values())[:most]


def load_archive(file: Path) -> FeedArchive:
    """Read an archive; an empty one where there is none that can be read."""
    try:
        found = json.loads(file.read_text())
        entries = tuple(FeedEntry(**entry) for entry in found["entries"])
        return FeedArchive(found["etag"], found["last_modified"], found.get("loaded_at", 0.0), entries)
    except (OSError, ValueError, KeyError, TypeError):
        return FeedArchive()


def save_archive(file: Path, archive: FeedArchive) -> None:
    """Write an archive in one step: a run that is killed leaves the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(archive)))
    fresh.replace(file)
