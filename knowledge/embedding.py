"""Texts to unit vectors on the CPU: an int8 ONNX graph made once from a BERT-like sentence model.

Weights are rounded per output channel and activations per text (dynamic quantisation,
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). Every text runs alone on one
thread, several at a time: nothing is spent on padding, and a text has the same vector whatever it is
embedded with.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.documents import KnowledgeError

# Bump when the graph made from the same weights changes: vectors of different recipes do not mix.
_RECIPE = 1

# A rounded graph that agrees less than this with the exact one is not used: CPUs without VNNI can saturate.
_LEAST_AGREEMENT = 0.98

_PROBES = (
    "How do I reset the password of my account?",
    "Returned items are refunded within 14 days, provided that the receipt is kept; opened software is not.",
    "The trial enrolled 4,312 patients in nine countries between 2011 and 2016, of whom 61 % were women.",
    "def read(path: str) -> bytes: return open(path, 'rb').read()",
    "Photosynthesis converts light energy into chemical energy that is later released to fuel the organism.",
)


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
    if _is_mean_pooled_bert(model_folder):
        return Embedder(model_folder, cache_folder, threads)
    return SentenceTransformerEmbedder(model_folder)


class Embedder:
    """A mean-pooled BERT sentence model in int8; thread-safe.

    The first use writes the graph into `cache_folder` and needs torch and transformers for that; later ones
    need onnxruntime and tokenizers only. `threads` of 0 takes every CPU the process may use. Raises
    `KnowledgeError` when the folder does not hold such a model.
    """

    def __init__(self, model_folder: Path, cache_folder: Path, threads: int = 0) -> None:
        if not _is_mean_pooled_bert(model_folder):
            raise KnowledgeError(
                f"{model_folder} is not a BERT model with mean pooling; load it with load_embedder instead"
            )
        from tokenizers import Tokenizer

        config = _read_json(model_folder / "config.json")
        self.dimensions: int = config["hidden_size"]
        self.max_tokens = _max_tokens(model_folder, config["max_position_embeddings"])
        self.tokenizer_file = _present(model_folder / "tokenizer.json")
        self._tokenizer = Tokenizer.from_file(str(self.tokenizer_file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)
        graph = _graph_of(model_folder, cache_folder, self._tokenizer)
        self.identity = graph.stem
        self._session = _session(graph)
        self._pool = ThreadPoolExecutor(threads or _usable_cpus(), "embed")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit-length row a text, in order: float32 of shape (texts, dimensions)."""
        if len(texts) == 1:
            return _embed_one(self._session, self._tokenizer, texts[0])[None, :]
        rows = self._pool.map(lambda text: _embed_one(self._session, self._tokenizer, text), texts)
        return np.array(list(rows), dtype=np.float32).reshape(-1, self.dimensions)


class SentenceTransformerEmbedder:
    """Any other sentence-transformers model, run by that library in fp32; thread-safe.

    No code from the model's folder is run and only safetensors weights are read. Raises `KnowledgeError` when
    the folder asks for either.
    """

    def __init__(self, model_folder: Path) -> None:
        _refuse_foreign_code(model_folder)
        from sentence_transformers import SentenceTransformer

        self._model = SentenceTransformer(
            str(model_folder),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
        self._lock = Lock()
        transformer = model_folder / _modules(model_folder)[0].get("path", "")
        self.tokenizer_file = _present(transformer / "tokenizer.json")
        self.identity = f"{_name_and_hash(transformer)}-fp32"
        self.dimensions: int = self._model.get_embedding_dimension()
        self.max_tokens: int = self._model.max_seq_length

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one unit-length row a text, in order: float32 of shape (texts, dimensions)."""
        with self._lock:
            rows = self._model.encode(
                [_encodable(text) for text in texts], normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(rows, dtype=np.float32).reshape(-1, self.dimensions)


def _embed_one(session: Any, tokenizer: Any, text: str) -> NDArray[np.float32]:
    ids = np.array([tokenizer.encode(_encodable(text)).ids], dtype=np.int64)
    (states,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    mean: NDArray[np.float32] = states[0].mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def _encodable(text: str) -> str:
    # Half an emoji (a lone surrogate) is no text to a tokenizer.
    return text.encode("utf-8", "replace").decode("utf-8")


def _session(graph: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # The fused SkipLayerNormalization takes seven times as long as Add followed by LayerNormalization.
    return ort.InferenceSession(
        str(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )


def _graph_of(model_folder: Path, cache_folder: Path, tokenizer: Any) -> Path:
    """Return the graph's file, making it when it is not there; the file's stem is the model's identity."""
    from filelock import FileLock

    name = _name_and_hash(model_folder)
    rounded = cache_folder / f"{name}-int8.{_RECIPE}.onnx"
    exact = cache_folder / f"{name}-fp32.{_RECIPE}.onnx"
    cache_folder.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder / f"{name}.lock"):
        for made in (rounded, exact):
            if made.is_file():
                return made
        with tempfile.TemporaryDirectory(dir=cache_folder, prefix="making-") as folder:
            return _make_graph(model_folder, Path(folder), tokenizer, rounded, exact)


def _make_graph(model_folder: Path, folder: Path, tokenizer: Any, rounded: Path, exact: Path) -> Path:
    fused, quantised = folder / "fused.onnx", folder / "quantised.onnx"
    _export(model_folder, folder / "exported.onnx")
    _fuse(folder / "exported.onnx", fused, _read_json(model_folder / "config.json"))
    _quantise(fused, quantised)
    agreement = _agreement(_session(fused), _session(quantised), tokenizer)
    made, kept = (quantised, rounded) if agreement >= _LEAST_AGREEMENT else (fused, exact)
    made.replace(kept)
    return kept


def _export(model_folder: Path, target: Path) -> None:
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(
        model_folder,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        # The fused Attention operator is recognised in the eager form alone.
        attn_implementation="eager",
        dtype=torch.float32,
    ).eval()

    class LastHiddenState(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    example = torch.ones(2, 8, dtype=torch.long)
    shape = {0: "texts", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            LastHiddenState(),
            (example, example),
            str(target),
            input_names=["input_ids", "attention_mask"],
            output_names=["states"],
            dynamic_axes=dict.fromkeys(("input_ids", "attention_mask", "states"), shape),
            opset_version=17,
            dynamo=False,
        )


def _fuse(source: Path, target: Path, config: dict[str, Any]) -> None:
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions("bert")
    options.enable_skip_layer_norm = False
    optimize_model(
        str(source),
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
        optimization_options=options,
        opt_level=0,
    ).save_model_to_file(str(target))


def _quantise(source: Path, target: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Attention"],
        # Shape inference does not know the fused operators, whose outputs are all float.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def _agreement(one: Any, other: Any, tokenizer: Any) -> float:
    pairs = [(_embed_one(one, tokenizer, text), _embed_one(other, tokenizer, text)) for text in _PROBES]
    return min(float(left @ right) for left, right in pairs)


def _is_mean_pooled_bert(model_folder: Path) -> bool:
    modules = _modules(model_folder)
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if (
        kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        or modules[0]["path"]
    ):
        return False
    prompts = model_folder / "config_sentence_transformers.json"
    if prompts.is_file() and _read_json(prompts).get("default_prompt_name"):
        return False
    pooling = _read_json(model_folder / modules[1]["path"] / "config.json")
    chosen = {key for key, value in pooling.items() if key.startswith("pooling_mode") and value is True}
    means: bool = chosen == {"pooling_mode_mean_tokens"} or pooling.get("pooling_mode") == "mean"
    config = _read_json(model_folder / "config.json")
    absolute: bool = config.get("position_embedding_type", "absolute") == "absolute"
    plain = (config.get("model_type"), config.get("hidden_act")) == ("bert", "gelu")
    return means and absolute and plain


def _refuse_foreign_code(model_folder: Path) -> None:
    for module in _modules(model_folder):
        # sentence-transformers imports a class of any other name from the model's own folder.
        if not module["type"].startswith("sentence_transformers."):
            raise KnowledgeError(
                f"{model_folder}/modules.json asks for {module['type']}, which would run foreign code; "
                "choose a model made of sentence_transformers modules only"
            )
        folder = model_folder / module["path"]
        if (folder / "pytorch_model.bin").exists() and not any(folder.glob("*.safetensors")):
            raise KnowledgeError(f"{folder} has pickled weights only; save the model with safetensors")


def _modules(model_folder: Path) -> list[dict[str, Any]]:
    if not model_folder.is_dir():
        raise KnowledgeError(f"The embedding model's folder {model_folder} does not exist; check the setting")
    modules: list[dict[str, Any]] = _read_json(model_folder / "modules.json")
    return modules


def _read_json(file: Path) -> Any:
    try:
        return json.loads(_present(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise KnowledgeError(f"{file} is not valid JSON ({error}); download the model again") from error


def _present(file: Path) -> Path:
    if not file.is_file():
        raise KnowledgeError(
            f"{file} is missing; the embedding model must be a complete sentence-transformers folder"
        )
    return file


def _max_tokens(model_folder: Path, positions: int) -> int:
    file = model_folder / "sentence_bert_config.json"
    asked = _read_json(file).get("max_seq_length") if file.is_file() else None
    return min(asked or positions, positions)


def _name_and_hash(folder: Path) -> str:
    config = _read_json(folder / "config.json")
    name = Path(config.get("_name_or_path") or config["model_type"]).name
    digest = hashlib.sha256()
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise KnowledgeError(f"{folder} holds no *.safetensors weights; only those are read")
    for file in (*weights, _present(folder / "tokenizer.json")):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"{name}-{digest.hexdigest()[:12]}"


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
