"""What a source lists, taken with distrust."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator

from knowledge.documents import KnowledgeError, Listed, Source


def listed_until_cancelled(source: Source, cancelled: threading.Event, most: int) -> Iterator[Listed]:
    """Yield what a source lists, each uri once. Raises `KnowledgeError` for more than `most`."""
    seen: set[str] = set()
    for listed in _listed(source):
        if cancelled.is_set():
            return
        if listed is None or listed.uri in seen:
            continue
        seen.add(listed.uri)
        if len(seen) > most:
            raise KnowledgeError(
                f"Source '{source.name}' lists more than {most:,} documents: narrow it by include and "
                "exclude, or raise max_documents under [sync]. What was indexed before stands."
            )
        yield listed


def _listed(source: Source) -> Iterator[Listed | None]:
    try:
        yield from source.list()
    except KnowledgeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        # A library's surprise in one source must not end the sync of the others.
        what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise KnowledgeError(f"Source '{source.name}' cannot be listed ({what}).") from error
