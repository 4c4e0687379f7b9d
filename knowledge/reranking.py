"""Passages read together with the question by a cross-encoder: slower than a cosine, and a better judge.

Nogueira and Cho 2019, "Passage Re-ranking with BERT" (https://arxiv.org/abs/1901.04085), run by
sentence-transformers (https://sbert.net/docs/cross_encoder/usage/usage.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from knowledge.documents import KnowledgeError
from knowledge.model_folder import read_json

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_MOST_TOKENS = 512
_JUDGES = "ForSequenceClassification"


class Reranker(Protocol):
    """The port "how well does each of these passages answer this question"."""

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """One number a text, in order, higher for the better; numbers of two questions do not compare."""
        ...


class CrossEncoderReranker:
    """A cross-encoder of sentence-transformers or transformers with one output; thread-safe.

    The model is loaded at its first use. No code of its folder is run, only safetensors weights are read.
    Raises `KnowledgeError` when the folder asks for either, or holds no such model.
    """

    def __init__(self, model_folder: Path) -> None:
        _refuse_what_is_unsafe(model_folder)
        self._folder = model_folder
        self._lock = Lock()

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """See `Reranker.scores`; a text that is too long is cut at its end."""
        if not texts:
            return []
        with self._lock:
            scored = self._model.predict(
                [(question, text) for text in texts], batch_size=8, show_progress_bar=False
            )
        return [float(score) for score in scored]

    @cached_property
    def _model(self) -> CrossEncoder:
        from safetensors import SafetensorError
        from sentence_transformers import CrossEncoder

        try:
            model = CrossEncoder(
                str(self._folder),
                device="cpu",
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
                max_length=_MOST_TOKENS,
            )
        except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise KnowledgeError(f"The reranker {self._folder} cannot be loaded: {reason}") from error
        if model.num_labels != 1:
            raise KnowledgeError(
                f"The reranker {self._folder} has {model.num_labels} outputs; choose a model with one"
            )
        return model


def _refuse_what_is_unsafe(folder: Path) -> None:
    if not folder.is_dir():
        raise KnowledgeError(f"The reranker's folder {folder} does not exist; check the setting")
    if not (folder / "config.json").is_file():
        raise KnowledgeError(f"{folder} holds no config.json; name the folder of a cross-encoder")
    config = read_json(folder / "config.json")
    if "auto_map" in config:
        raise KnowledgeError(f"{folder}/config.json asks for foreign code; choose another reranker")
    # Any other model would be given a head of random weights.
    if not any(kind.endswith(_JUDGES) for kind in config.get("architectures") or ()):
        raise KnowledgeError(f"{folder} holds no cross-encoder; name a model for sequence classification")
    modules = folder / "modules.json"
    for module in read_json(modules) if modules.is_file() else ():
        if not module["type"].startswith("sentence_transformers."):
            raise KnowledgeError(
                f"{modules} asks for {module['type']}, which would run foreign code; choose another reranker"
            )
    if not any(folder.glob("*.safetensors")):
        raise KnowledgeError(f"{folder} holds no *.safetensors weights; only those are read")
