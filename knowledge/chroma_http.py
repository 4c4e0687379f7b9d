"""A Chroma server over HTTP: its collections and their records, each call within a time limit.

It speaks version 2 of the server's API (https://docs.trychroma.com/reference/server), as chromadb 1.x does;
chromadb's own client waits for ever for a server that does not answer.
"""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from knowledge.arrays import Ids, Vectors
from knowledge.documents import KnowledgeError

if TYPE_CHECKING:
    import httpx

# Those that every server has, unless somebody makes others.
_ROOT = "/tenants/default_tenant/databases/default_database"
_PAGE = 5_000
_LISTED = 500
_AT_ONCE = 50
_CONNECT_SECONDS = 5.0
_MOST_SAID = 200

# Near neighbours are sought more widely than Chroma does of itself (100), so that fewer are missed.
_GRAPH = {"space": "cosine", "ef_search": 250}


class ChromaServerError(KnowledgeError):
    """The server did not do what it was asked; the message says why and, where that is known, the fix."""


class NoCollectionError(ChromaServerError):
    """The server has no such collection (any more)."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of the server, with what is noted about it."""

    identity: str
    name: str
    metadata: Mapping[str, Any]


class ChromaServer:
    """One server. Nothing is sent before the first call; safe in many threads."""

    def __init__(self, url: str, key: str, key_name: str, seconds: float) -> None:
        """`url` ends before `/api/v2`. With a `key` (from the variable `key_name`) each request shows it.

        `seconds` is how long an answer may take to begin.
        """
        self.url = url.rstrip("/")
        self._key = key
        self._key_name = key_name
        self._seconds = seconds
        self._lock = threading.Lock()
        self._session: httpx.Client | None = None

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._session is not None:
                self._session.close()
            self._session = None

    def patient(self, seconds: float) -> ChromaServer:
        """The same server for what may take longer, with connections of its own."""
        return ChromaServer(self.url, self._key, self._key_name, seconds)

    def version(self) -> str:
        """The version of the API's implementation. Raises `ChromaServerError`, as every method does."""
        return str(self.ask("GET", "/version"))

    def collections(self) -> tuple[Collection, ...]:
        """All that the server has, in no order."""
        found: list[Collection] = []
        for offset in range(0, 1_000_000, _LISTED):
            page = self.ask("GET", f"{_ROOT}/collections?limit={_LISTED}&offset={offset}")
            found += map(self._collection, self._listed(page))
            if len(page) < _LISTED:
                break
        return tuple(found)

    def has(self, name: str) -> bool:
        """Whether there is a collection of this name."""
        try:
            self.ask("GET", f"{_ROOT}/collections/{name}")
        except NoCollectionError:
            return False
        return True

    def create(self, name: str, metadata: Mapping[str, str | int]) -> Collection:
        """Make a collection that is searched by cosine. Raises also when there is one of this name."""
        asked = {"name": name, "metadata": dict(metadata), "configuration": {"hnsw": _GRAPH}}
        return self._collection(self.ask("POST", f"{_ROOT}/collections", asked))

    def note(self, collection: str, metadata: Mapping[str, str | int]) -> None:
        """Replace what is noted about a collection, in one step."""
        self.ask("PUT", f"{_ROOT}/collections/{collection}", {"new_metadata": dict(metadata)})

    def drop(self, name: str) -> None:
        """Remove a collection with its records, if it is there."""
        try:
            self.ask("DELETE", f"{_ROOT}/collections/{name}")
        except NoCollectionError:
            return

    def records(self, collection: str) -> ServerRecords:
        """The records of a collection, which is not looked for here."""
        return ServerRecords(self, f"{_ROOT}/collections/{collection}")

    def ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Any:
        """What the server answers to one request, as JSON. Raises `ChromaServerError`."""
        import httpx

        limit = httpx.Timeout(self._seconds, connect=min(self._seconds, _CONNECT_SECONDS))
        try:
            answer = self._connections().request(
                method, f"{self.url}/api/v2{path}", json=content, timeout=limit
            )
        except httpx.TimeoutException:
            raise ChromaServerError(f"{self} did not answer within {self._seconds:g} s.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ChromaServerError(f"{self} cannot be reached ({error or type(error).__name__}).") from error
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Any:
        if answer.status_code in (401, 403):
            raise ChromaServerError(
                f"{self} refuses {'the key' if self._key else 'to answer without a key'} "
                f"({answer.status_code}): put the right one into {self._key_name}."
            )
        try:
            said = answer.json()
        except ValueError:
            said = None
        if answer.is_success and said is not None:
            return said
        error = said.get("error") if isinstance(said, dict) else None
        if answer.status_code == 404 and error == "NotFoundError":
            raise NoCollectionError(f"{self} does not have the collection that was asked for.")
        if error is None and answer.status_code < 500:
            raise ChromaServerError(
                f"{self} answers, but not as Chroma does ({answer.status_code}): correct the address."
            )
        told = " ".join(f": {error}, {said.get('message', '')}".split())[:_MOST_SAID] if error else ""
        raise ChromaServerError(f"{self} failed ({answer.status_code}{told}).")

    def _connections(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._session is None:
                # Chroma's own services read the second header, proxies the first.
                shown = {"Authorization": f"Bearer {self._key}", "X-Chroma-Token": self._key}
                self._session = httpx.Client(headers=shown if self._key else {})
            return self._session

    def _collection(self, told: Any) -> Collection:
        try:
            return Collection(str(told["id"]), str(told["name"]), told.get("metadata") or {})
        except (TypeError, KeyError, AttributeError) as error:
            raise self.misunderstood() from error

    def _listed(self, told: Any) -> list[Any]:
        if not isinstance(told, list):
            raise self.misunderstood()
        return told

    def misunderstood(self) -> ChromaServerError:
        """What is said when an answer is not of the form that this API has."""
        return ChromaServerError(f"{self} answers in a form that is not known: is it Chroma 1.x?")

    def __str__(self) -> str:
        return f"The Chroma server at {self.url}"


class ServerRecords:
    """The records of one collection on a server, by the words that chromadb's own collections know.

    Every method raises `ChromaServerError`.
    """

    def __init__(self, server: ChromaServer, path: str) -> None:
        self._server = server
        self._path = path

    def count(self) -> int:
        """How many there are."""
        told = self._server.ask("GET", f"{self._path}/count")
        if not isinstance(told, int):
            raise self._server.misunderstood()
        return told

    def ids(self) -> Ids:
        """All ids, ascending, which are those of passages."""
        found: list[int] = []
        while True:
            asked = {"include": [], "limit": _PAGE, "offset": len(found)}
            page = self._told("get", asked, "ids")
            found += [int(one) for one in page]
            if len(page) < _PAGE:
                return np.unique(np.array(found, dtype=np.int64))

    def upsert(
        self, *, ids: Sequence[str], embeddings: Vectors, metadatas: Sequence[Mapping[str, int]]
    ) -> None:
        """Put records there, in the place of those that have these ids."""
        encoded = [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in embeddings]
        self._server.ask(
            "POST",
            f"{self._path}/upsert",
            {"ids": list(ids), "embeddings": encoded, "metadatas": [dict(one) for one in metadatas]},
        )

    def delete(self, *, ids: Sequence[str]) -> None:
        """Take records away; those that are not there are no matter."""
        self._server.ask("POST", f"{self._path}/delete", {"ids": list(ids)})

    def query(self, *, query_embeddings: Vectors, n_results: int, include: Sequence[str]) -> Any:
        """The nearest of each embedding, as lists of `ids` and of `distances`."""
        ids: list[Any] = []
        distances: list[Any] = []
        for some in _pieces(query_embeddings):
            asked = {"query_embeddings": some.tolist(), "n_results": n_results, "include": list(include)}
            told = self._server.ask("POST", f"{self._path}/query", asked)
            try:
                ids += told["ids"]
                distances += told["distances"]
            except (TypeError, KeyError) as error:
                raise self._server.misunderstood() from error
        return {"ids": ids, "distances": distances}

    def nearest(self, vector: Vectors, limit: int) -> list[tuple[int, float]]:
        """At most `limit` of the nearest as (passage id, cosine)."""
        found = self.query(query_embeddings=vector[None, :], n_results=limit, include=["distances"])
        try:
            pairs = zip(found["ids"][0], found["distances"][0], strict=True)
            near = [(int(i), 1.0 - float(distance)) for i, distance in pairs]
        except (TypeError, ValueError, IndexError) as error:
            raise self._server.misunderstood() from error
        return [(i, cosine) for i, cosine in near if math.isfinite(cosine)]

    def _told(self, verb: str, asked: Mapping[str, Any], key: str) -> list[Any]:
        told = self._server.ask("POST", f"{self._path}/{verb}", asked)
        if not isinstance(told, dict) or not isinstance(told.get(key), list):
            raise self._server.misunderstood()
        return list(told[key])


def _pieces(vectors: Vectors) -> Iterator[Vectors]:
    return (vectors[start : start + _AT_ONCE] for start in range(0, len(vectors), _AT_ONCE))
