"""How a sync is to run, how far it is, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowledge.indexing import SyncFailure

Phase = Literal["listing", "documents", "index"]


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How careful a run is.

    When more than 10 documents and more than `max_deletion_share` of a source are gone from its listing, they
    are kept and the report says so, unless `confirm_deletions`: a folder that is not mounted looks empty.
    A source that lists more than `max_documents` fails: one that lists without end would never be done.
    """

    max_deletion_share: float = 0.3
    confirm_deletions: bool = False
    max_documents: int = 200_000


CAREFUL = SyncOptions()


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a run is: `done` of `total` documents that are new or changed, `uri` the one in hand."""

    source: str
    phase: Phase
    done: int = 0
    total: int = 0
    uri: str = ""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one run did.

    `failed` are the documents tried in this run; `still_failing` counts those that failed before and have
    not changed since. `passages_live` and `index_generation` are those of the whole index. A cancelled run
    keeps what it has published; the next one continues.
    """

    source: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    failed: tuple[SyncFailure, ...]
    still_failing: int
    passages_embedded: int
    passages_live: int
    seconds: float
    index_generation: int
    cancelled: bool = False


def counts(report: SyncReport) -> dict[str, int]:
    """The figures of a report by name, as the catalog notes them."""
    return {
        "added": len(report.added),
        "changed": len(report.changed),
        "removed": len(report.removed),
        "unchanged": report.unchanged,
        "failed": len(report.failed),
        "still_failing": report.still_failing,
        "passages_embedded": report.passages_embedded,
        "passages_live": report.passages_live,
    }
