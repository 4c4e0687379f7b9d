"""Takes over an index from before there were editions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock

from knowledge.documents import KnowledgeError
from knowledge.edition import MadeWith
from knowledge.edition_folders import CATALOG, CHANGING, LIVE, VECTORS, create, write_in_one_step


def adopt(catalog: Path, vectors: Path, folder: Path, model: str) -> None:
    """Make an edition of a catalog and vectors that lie elsewhere, by moving them, and let it answer.

    `model` names the embedder as `MadeWith` says. Does nothing where there is no such catalog; goes on where
    an earlier call was killed.
    """
    if not catalog.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / CHANGING):
        if not catalog.exists():  # another process has moved it meanwhile
            return
        if not (folder / LIVE).exists():
            chunker, _, embedder = _most_used_fingerprint(catalog).rpartition(" ")
            name = create(folder, MadeWith(chunker, embedder, model), "")
            write_in_one_step(folder / LIVE, f"{name}\n")
        edition = folder / (folder / LIVE).read_text(encoding="utf-8").strip()
        if (edition / CATALOG).exists():
            return
        if vectors.exists():
            vectors.rename(edition / VECTORS)
        # The last to go: as long as it is here, there is something to do.
        catalog.rename(edition / CATALOG)


def _most_used_fingerprint(catalog: Path) -> str:
    """What most documents of a catalog were made with. Leaves its write-ahead log empty, and thus removed."""
    query = "SELECT fingerprint FROM documents GROUP BY fingerprint ORDER BY count(*) DESC LIMIT 1"
    try:
        with closing(sqlite3.connect(catalog)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            found = connection.execute(query).fetchone()
    except sqlite3.DatabaseError as error:
        raise KnowledgeError(
            f"The catalog {catalog} is damaged ({error}): move it away and sync again."
        ) from error
    return found[0] if found else ""
