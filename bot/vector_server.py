"""The Chroma server of the settings: how it is reached, and how it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.assembly import Assembly
    from bot.storage_settings import ChromaSettings
    from knowledge.chroma_http import ChromaServer
    from knowledge.chroma_server import ServerVectors


@dataclass(frozen=True, slots=True)
class VectorServerStatus:
    """The server that has the vectors; `problem` is why the exact search answers in its place, else ""."""

    url: str
    problem: str


def build_chroma_server(chosen: ChromaSettings, environment: Mapping[str, str]) -> ChromaServer | None:
    """The server that `[chroma]` names, if any, with the key that the environment holds."""
    if chosen.url is None:
        return None
    from knowledge.chroma_http import ChromaServer

    key = environment.get(chosen.key_env, "").strip()
    return ChromaServer(chosen.url, key, chosen.key_env, chosen.timeout_seconds)


def live_server_vectors(assembly: Assembly) -> ServerVectors | None:
    """The vector index of the live edition, where it is on a server."""
    if assembly.settings.chroma.url is None:
        return None
    from knowledge.chroma_server import ServerVectors

    vectors = assembly.editions.live().vectors
    return vectors if isinstance(vectors, ServerVectors) else None


def vector_problem(assembly: Assembly) -> str:
    """Why the server does not search; "" when it does, or when there is none. Blocks while it is asked."""
    vectors = live_server_vectors(assembly)
    return vectors.problem() if vectors else ""


def read_vector_server(assembly: Assembly) -> VectorServerStatus | None:
    """How the server does, asked now."""
    url = assembly.settings.chroma.url
    return VectorServerStatus(url, vector_problem(assembly)) if url else None
