"""The int8 ONNX graph of a BERT-like sentence model, made once and kept.

Weights are rounded per output channel and activations per text (dynamic quantisation,
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.model_folder import name_and_hash, read_json

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


def session(graph: Path) -> Any:
    """Open a graph for inference on one thread a call; onnxruntime lets several threads call it at once."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # The fused SkipLayerNormalization takes seven times as long as Add followed by LayerNormalization.
    return ort.InferenceSession(
        str(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )


def embed_one(opened: Any, tokenizer: Any, text: str) -> NDArray[np.float32]:
    """The unit vector (dimensions,) of one text: the mean of its tokens' last hidden states."""
    ids = np.array([tokenizer.encode(encodable(text)).ids], dtype=np.int64)
    (states,) = opened.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    mean: NDArray[np.float32] = states[0].mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def encodable(text: str) -> str:
    """The text without what cannot be written in UTF-8."""
    # Half an emoji (a lone surrogate) is no text to a tokenizer.
    return text.encode("utf-8", "replace").decode("utf-8")


def graph_of(model_folder: Path, cache_folder: Path, tokenizer: Any) -> Path:
    """Return the graph's file, making it when it is not there; the file's stem is the model's identity."""
    from filelock import FileLock

    name = name_and_hash(model_folder)
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
    _fuse(folder / "exported.onnx", fused, read_json(model_folder / "config.json"))
    _quantise(fused, quantised)
    agreement = _agreement(session(fused), session(quantised), tokenizer)
    made, kept = (quantised, rounded) if agreement >= _LEAST_AGREEMENT else (fused, exact)
    made.replace(kept)
    return kept


def _export(model_folder: Path, target: Path) -> None:
    import torch
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
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
    with _quiet():
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

    with _quiet():
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
    pairs = [(embed_one(one, tokenizer, text), embed_one(other, tokenizer, text)) for text in _PROBES]
    return min(float(left @ right) for left, right in pairs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' advice to their developers from the person who waits."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
