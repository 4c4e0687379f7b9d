"""Texts to unit vectors on the CPU: an int8 ONNX graph made once from a BERT-like sentence model.

Every text runs alone on one thread, several at a time: nothing is spent on padding, and a text has the same
vector whatever it is embedded with.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.documents import KnowledgeError
from knowledge.model_folder import (
    is_mean_pooled_bert,
    max_tokens,
    modules,
    name_and_hash,
    present,
    read_json,
    refuse_foreign_code,
)
from knowledge.onnx_graph import embed_one, encodable, graph_of, session


class Embedding(Protocol):
    """The port "turn these texts into vectors"."""

    @property
    def identity(self) -> str:
        """Name what makes the vectors what they are: vectors of equal identities may be compared."""
        ...

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """The longest text, in tokens with the special ones; what is longer is cut at its end."""
        ...

    @property
    def tokenizer_file(self) -> Path: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit-length row a text, in order: float32 of shape (texts, dimensions)."""
        ...


def load_embedder(model_folder: Path, cache_folder: Path, threads: int = 0) -> Embedding:
    """Load the model with the quick `Embedder` where it can, else with sentence-transformers.

    Raises `KnowledgeError` when the folder does not hold a sentence-transformers model with safetensors.
    """
    if is_mean_pooled_bert(model_folder):
        return Embedder(model_folder, cache_folder, threads)
    return SentenceTransformerEmbedder(model_folder)


class Embedder:
    """A mean-pooled BERT sentence model in int8; thread-safe.

    The first use writes the graph into `cache_folder` and needs torch and transformers for that; later ones
    need onnxruntime and tokenizers only. `threads` of 0 takes every CPU the process may use. Raises
    `KnowledgeError` when the folder does not hold such a model.
    """

    def __init__(self, model_folder: Path, cache_folder: Path, threads: int = 0) -> None:
        if not is_mean_pooled_bert(model_folder):
            raise KnowledgeError(
                f"{model_folder} is not a BERT model with mean pooling; load it with load_embedder instead"
            )
        from tokenizers import Tokenizer

        config = read_json(model_folder / "config.json")
        self.dimensions: int = config["hidden_size"]
        self.max_tokens = max_tokens(model_folder, config["max_position_embeddings"])
        self.tokenizer_file = present(model_folder / "tokenizer.json")
        self._tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)
        graph = graph_of(model_folder, cache_folder, self._tokenizer)
        self.identity = graph.stem
        self._session = session(graph)
        self._pool = ThreadPoolExecutor(threads or _usable_cpus(), "embed")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit-length row a text, in order: float32 of shape (texts, dimensions)."""
        if len(texts) == 1:
            return embed_one(self._session, self._tokenizer, texts[0])[None, :]
        rows = self._pool.map(lambda text: embed_one(self._session, self._tokenizer, text), texts)
        return np.array(list(rows), dtype=np.float32).reshape(-1, self.dimensions)


class SentenceTransformerEmbedder:
    """Any other sentence-transformers model, run by that library in fp32; thread-safe.

    No code from the model's folder is run and only safetensors weights are read. Raises `KnowledgeError` when
    the folder asks for either.
    """

    def __init__(self, model_folder: Path) -> None:
        refuse_foreign_code(model_folder)
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(
            str(model_folder),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
        self._lock = Lock()
        transformer = model_folder / modules(model_folder)[0].get("path", "")
        self.tokenizer_file = present(transformer / "tokenizer.json")
        self.identity = f"{name_and_hash(transformer)}-fp32"
        self.dimensions: int = self._model.get_embedding_dimension()
        self.max_tokens: int = self._model.max_seq_length

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit-length row a text, in order: float32 of shape (texts, dimensions)."""
        with self._lock:
            rows = self._model.encode(
                [encodable(text) for text in texts], normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(rows, dtype=np.float32).reshape(-1, self.dimensions)


class WordsOnly:
    """Stands in for an embedder that is not there: no passage is near to anything."""

    identity = ""
    dimensions = 1
    max_tokens = 0
    tokenizer_file = Path()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return zeros of shape (texts, 1)."""
        return np.zeros((len(texts), 1), dtype=np.float32)


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
