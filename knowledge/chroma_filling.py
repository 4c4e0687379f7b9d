"""Brings the copy of an index on a Chroma server to the catalog's state, embedding nothing."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import uuid4

import numpy as np

from knowledge.arrays import Ids
from knowledge.chroma_copies import Copies, Copy, Part
from knowledge.chroma_http import ChromaServer, ChromaServerError, NoCollectionError, ServerRecords
from knowledge.chroma_records import CHURN, MISSES, fill, lost, remove, sample
from knowledge.documents import KnowledgeError
from knowledge.reading import CatalogReader
from knowledge.vectors import Announce, batches

_TOUCH_SECONDS = 86_400.0
_LOOKED_AT = 20

_BETWEEN_LOOKS = 1_000

_NO_IDS = np.zeros(0, dtype=np.int64)


class StoppedError(KnowledgeError):
    """It was told to stop."""


class Filling:
    """The one that writes the copies of one catalog; one at a time, over all threads and processes.

    A copy is changed in place. First its note is given the catalog's present stamp and is not whole, so that
    nobody answers from it, and no other catalog with the same past takes it for its own. Then what is missing
    is put there, what is dead taken away, and a sample of it has to find itself; in one step the note is
    whole. What a killed process leaves is completed by the next. After much churn, or when too little finds
    itself, a part is made anew.
    """

    def __init__(
        self, server: ChromaServer, copies: Copies, catalog: CatalogReader, model: str, announce: Announce
    ) -> None:
        self._server = server
        self._copies = copies
        self._catalog = catalog
        self._model = model
        self._announce = announce
        self._live: tuple[str, dict[int, Ids]] = ("", {})
        # What the parts of the copy hold that this writer made whole.
        self._writer = ""
        self._held: dict[str, Ids] = {}
        self._is_distrusted = False
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Break off what is being put there, which the next `catch_up` goes on with."""
        self._stopping.set()

    def catch_up(self) -> None:
        """Make the copy whole, if it is not.

        Raises `ChromaServerError`, `StoppedError`, and what a catalog raises.
        """
        stamp = self._catalog.stamp()
        live = self._live_at(stamp)
        if self._is_distrusted:
            self.discard()
        ours = self._ours()
        if not live:
            self._remove(ours)
            return
        usable = [copy for copy in ours if copy.model == self._model]
        copy = max(usable, key=lambda one: (one.stamp == stamp, one.whole, one.touched), default=None)
        if copy is None or not copy.whole or copy.stamp != stamp:
            copy = self._filled(copy, stamp, live)
        elif not self._is_intact(copy, live):
            self._announce(
                f"{self._server} has lost or mixed up vectors: they are put there again from the catalog, "
                "nothing is embedded again."
            )
            copy = self._filled(replace(copy, whole=False), stamp, live)
        self._copies.sweep(copy, [one.name for one in ours if one.name != copy.name])
        if time.time() - copy.touched > _TOUCH_SECONDS:
            self._copies.note(replace(copy, touched=time.time()))

    def discard(self) -> None:
        """Have the next `catch_up` begin with nothing, also when this raises `ChromaServerError`."""
        self._is_distrusted = True
        self._remove(self._ours())
        self._is_distrusted = False

    def _ours(self) -> list[Copy]:
        """The copies of a state that this catalog was in: another may have the same edition's name."""
        return [copy for copy in self._copies.found() if self._catalog.has_been(copy.stamp)]

    def _remove(self, copies: Sequence[Copy]) -> None:
        for copy in copies:
            self._copies.remove(copy)

    def _live_at(self, stamp: str) -> Mapping[int, Ids]:
        """The ids of the live passages of each audience, ascending."""
        if self._live[0] != stamp:
            ids, audiences = self._catalog.live(self._model)
            members = {int(audience): ids[audiences == audience] for audience in np.unique(audiences)}
            self._live = (stamp, members)
        return self._live[1]

    def _is_intact(self, copy: Copy, live: Mapping[int, Ids]) -> bool:
        """Whether each part is as large as it was, and some passages, chosen by chance, find themselves."""
        chance = np.random.default_rng()
        try:
            for part in copy.parts:
                records, ids = self._server.records(part.collection), live.get(part.audience, _NO_IDS)
                few = chance.choice(ids, min(len(ids), _LOOKED_AT), replace=False)
                if records.count() != part.size:
                    return False
                if lost(records, self._catalog, self._model, few) and self._is_lossy(records, ids):
                    return False
        except NoCollectionError:
            return False
        return True

    def _is_lossy(self, records: ServerRecords, ids: Ids) -> bool:
        probes = sample(ids)
        return lost(records, self._catalog, self._model, probes) > MISSES * len(probes)

    def _filled(self, copy: Copy | None, stamp: str, live: Mapping[int, Ids]) -> Copy:
        """The copy, or a new one, with everything that is live and nothing else."""
        copy = copy or self._copies.begin(self._model, stamp)
        is_known = copy.whole and copy.writer == self._writer
        held = self._held if is_known else {}
        # A part that was being written may hold anything.
        before = {part.audience: part if copy.whole else replace(part, digest="") for part in copy.parts}
        copy = replace(copy, stamp=stamp, whole=False, writer=uuid4().hex, touched=time.time())
        self._copies.note(copy)
        for audience, ids in live.items():
            old = before.get(audience)
            part = old and self._updated(old, ids, held.get(old.collection))
            if part is None:
                begun = Part(audience, self._copies.begin_part(copy, audience), 0, 0, 0, "")
                # Noted before it is filled, so that whoever comes after a killed process goes on with it.
                copy = _with(copy, begun)
                self._copies.note(copy)
                part = self._made(begun, ids)
            copy = _with(copy, part)
        copy = replace(copy, whole=True, parts=tuple(p for p in copy.parts if p.audience in live))
        self._check_alone(copy)
        self._copies.note(copy)
        self._writer = copy.writer
        self._held = {part.collection: live[part.audience] for part in copy.parts}
        return copy

    def _updated(self, part: Part, live: Ids, held: Ids | None) -> Part | None:
        """A part with what it should hold, of which `held` is known, if any; None to make it anew."""
        if part.digest == _digest(live):
            return part
        records = self._server.records(part.collection)
        try:
            held = records.ids() if held is None else held
            dead, new = np.setdiff1d(held, live), np.setdiff1d(live, held)
            churned = part.churned + len(dead)
            if churned > CHURN * max(part.built, 1):
                return None
            remove(records, dead)
            self._fill(records, part.audience, new)
            if records.count() != len(live) or self._is_lossy(records, np.union1d(sample(new), sample(live))):
                return None
        except NoCollectionError:
            return None
        built = part.built or len(live)
        return replace(part, size=len(live), built=built, churned=churned, digest=_digest(live))

    def _made(self, part: Part, live: Ids) -> Part:
        records = self._server.records(part.collection)
        written = self._fill(records, part.audience, live)
        size = records.count()
        # Fewer than `live` when another source's run has removed some meanwhile.
        if size != len(written):
            raise ChromaServerError(f"{self._server} holds {size} of {len(written)} passages put there.")
        if self._is_lossy(records, written):
            raise ChromaServerError(f"{self._server} does not find again what was put there.")
        return replace(part, size=size, built=size, digest=_digest(written))

    def _fill(self, records: ServerRecords, audience: int, ids: Ids) -> Ids:
        written = []
        for some in batches(ids, _BETWEEN_LOOKS):
            if self._stopping.is_set():
                raise StoppedError("The index is being closed.")
            written.append(fill(records, self._catalog, self._model, some, lambda _: {"audience": audience}))
        return np.concatenate([_NO_IDS, *written])

    def _check_alone(self, copy: Copy) -> None:
        if not any((one.name, one.writer) == (copy.name, copy.writer) for one in self._copies.found()):
            raise ChromaServerError(
                f"{self._server} was written to by another process at the same time, or emptied; it is tried "
                "again."
            )


def _with(copy: Copy, part: Part) -> Copy:
    """The copy with this part in the place of the one of the same audience."""
    others = tuple(one for one in copy.parts if one.audience != part.audience)
    return replace(copy, parts=(*others, part))


def _digest(ids: Ids) -> str:
    return hashlib.sha256(np.sort(ids).astype("<i8").tobytes()).hexdigest()
