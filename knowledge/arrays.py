"""Large parts of a catalog as arrays, read in the caller's transaction.

A hundred thousand integers come ten times as quickly as one text of all than as rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BindParameter, ColumnElement, Connection, String, bindparam, cast, func, select

from knowledge.dialects import numbers_in
from knowledge.schema import documents, embeddings, generations, passages

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

_NEWEST = select(generations).order_by(generations.c.generation.desc()).limit(1)


def stamp(connection: Connection) -> str:
    """See `CatalogReader.stamp`."""
    row = connection.execute(_NEWEST).first()
    return "0" if row is None else f"{row.generation}:{row.token}"


def audiences_of_passages(connection: Connection) -> tuple[Ids, Ids]:
    """The ids of all live passages, ascending, and their audience ids."""
    query = (
        select(documents.c.audience_id, as_text(passages.c.id).label("ids"))
        .join_from(passages, documents)
        .group_by(documents.c.audience_id)
    )
    groups = [(row.audience_id, numbers(row.ids)) for row in connection.execute(query)]
    ids = np.concatenate([numbers(None), *(members for _, members in groups)])
    audience = np.repeat([audience for audience, _ in groups], [len(members) for _, members in groups])
    order = np.argsort(ids)
    return ids[order], audience.astype(np.int64)[order]


def vectors_of(connection: Connection, model: str, ids: Sequence[int] | Ids) -> tuple[Ids, Vectors]:
    """See `CatalogReader.vectors_of`."""
    values = {"model": model, "ids": json.dumps([int(i) for i in ids])}
    rows = connection.execute(_VECTORS, values).all()
    matrix = np.frombuffer(b"".join(vector for _, vector in rows), dtype=np.float32)
    found = np.array([passage_id for passage_id, _ in rows], dtype=np.int64)
    return found, matrix.reshape(len(rows), -1 if rows else 0)


def dimensions(connection: Connection, model: str) -> int:
    """The length of the embeddings of `model`, 0 when there is none."""
    query = select(func.length(embeddings.c.vector)).where(embeddings.c.model == model).limit(1)
    return (connection.execute(query).scalar() or 0) // np.dtype(np.float32).itemsize


def embedding_of(model: str | BindParameter[str]) -> ColumnElement[bool]:
    """That an embedding is of `model` and of a passage's text."""
    return (embeddings.c.text_hash == passages.c.text_hash) & (embeddings.c.model == model)


# Made once: making it takes as long as running it.
_VECTORS = (
    select(passages.c.id, embeddings.c.vector)
    .join(embeddings, embedding_of(bindparam("model")))
    .where(passages.c.id.in_(numbers_in("ids")))
    .order_by(passages.c.id)
)


def among(ids: Ids, chosen: Sequence[int]) -> NDArray[np.bool_]:
    """Which of these are among the chosen: `np.isin` in a tenth of the time where ids are small."""
    is_chosen = np.zeros(int(ids.max(initial=0)) + 1, dtype=bool)
    is_chosen[[i for i in chosen if 0 <= i < len(is_chosen)]] = True
    found: NDArray[np.bool_] = is_chosen[ids]
    return found


def as_text(number: ColumnElement[int]) -> ColumnElement[str]:
    """All numbers of a group in one text, which `numbers` reads."""
    return func.aggregate_strings(cast(number, String), ",")


def numbers(listed: str | None) -> Ids:
    """The numbers of a text with commas between them."""
    return np.fromstring(listed or "", dtype=np.int64, sep=",")
