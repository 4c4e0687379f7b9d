"""Upper bounds of many dot products at once, from 8-bit copies of the vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.arrays import Vectors

_VECTOR_STEPS = 127
# Of seven bits: where there is no VNNI, onnxruntime adds two products in 16 bits, and 2 x 127 x 127 fits.
_QUESTION_STEPS = 63
_OFFSET = 64
_ROUNDING = 1e-4  # far more than float32 loses on vectors of length 1
_PIECE = 4096


class Screen:
    """Bounds the dot product of each of its vectors with another one, in a sixth of the product's time.

    Every vector v is rounded to whole multiples c of its own step s, the question q to multiples z of a step
    t. As no element of v / s is more than 1/2 from c, v.q = v.tz + v.(q - tz) is, by the inequalities of
    Hölder and of Cauchy and Schwarz, at most st (c.z + |z|_1 / 2) + |v| |q - tz|. All c.z are one
    MatMulInteger (https://onnx.ai/onnx/operators/onnx__MatMulInteger.html), whose 8-bit weights onnxruntime
    packs: with its own, half of the vectors' memory. For text embeddings it is about 0.03 above the product.
    """

    def __init__(self, vectors: Vectors) -> None:
        """`vectors` (n, dimensions), both at least 1; they are not kept."""
        self._steps = np.empty(len(vectors), dtype=np.float32)
        self._longest = 0.0
        # Onnxruntime multiplies with a packed copy where it can, and otherwise with these.
        self._codes = np.empty(vectors.shape[::-1], dtype=np.int8)
        for start in range(0, len(vectors), _PIECE):
            piece = slice(start, start + _PIECE)
            steps = _step(vectors[piece], _VECTOR_STEPS)
            self._steps[piece] = steps
            self._codes[:, piece] = np.rint(vectors[piece] / steps[:, np.newaxis]).astype(np.int8).T
            self._longest = max(self._longest, float(np.linalg.norm(vectors[piece], axis=1).max()))
        self._product = _product(self._codes)

    def __len__(self) -> int:
        return len(self._steps)

    def __call__(self, question: Vectors) -> Vectors:
        """At least the dot product of each vector with `question` (dimensions,), as (n,)."""
        step = _step(question, _QUESTION_STEPS)
        codes = np.rint(question / step)
        shifted = (codes + _OFFSET).astype(np.uint8)[np.newaxis]
        bounds: Vectors = self._product.run(None, {"question": shifted})[0][0].astype(np.float32)
        bounds += np.abs(codes).sum() / 2
        bounds *= self._steps
        bounds *= step
        rest = np.linalg.norm(question - step * codes) + _ROUNDING * np.linalg.norm(question)
        bounds += np.float32(self._longest * rest)
        return bounds


def _step(vectors: Vectors, steps: int) -> Vectors:
    """What to divide each vector by, so that its elements are at most `steps`; 1 for zeros."""
    largest = np.maximum(vectors.max(axis=-1), -vectors.min(axis=-1))
    return np.where(largest > 0, largest / np.float32(steps), np.float32(1))


def _product(codes: NDArray[np.int8]) -> Any:
    """A session that multiplies a question (1, dimensions) with `codes` (dimensions, n), on one thread.

    The codes are not copied into the model, and must outlive the session.
    """
    import onnxruntime as ort
    from onnx import StringStringEntryProto, TensorProto, helper

    weights = TensorProto(
        name="codes",
        data_type=TensorProto.INT8,
        dims=codes.shape,
        data_location=TensorProto.EXTERNAL,
        external_data=[StringStringEntryProto(key="location", value="codes")],
    )
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["question", "codes", "offset"], ["products"])],
        "products",
        [helper.make_tensor_value_info("question", TensorProto.UINT8, [1, codes.shape[0]])],
        [helper.make_tensor_value_info("products", TensorProto.INT32, [1, codes.shape[1]])],
        [weights, helper.make_tensor("offset", TensorProto.UINT8, [], [_OFFSET])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_external_initializers(["codes"], [ort.OrtValue.ortvalue_from_numpy(codes)])
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
