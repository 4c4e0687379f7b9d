"""Linear layers in 8-bit integers: a quarter of the memory traffic that decoding in float32 waits for."""

from __future__ import annotations

from typing import Any

import torch

from adapters.generation import GenerationError

_LARGEST = 127


class Int8Linear(torch.nn.Module):  # type: ignore[misc]
    """A linear layer whose weights are 8-bit integers, with one scale an output, and so are its inputs,
    with one scale a token (the vector-wise scheme of LLM.int8(), Dettmers et al. 2022, arXiv 2208.07339).

    Each token is scaled by itself and sums of integers are exact, so that a token's output does not depend
    on what else is read in the same run, to the last bit.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        scale, weight = _quantised(linear.weight.detach().float())
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale.squeeze(1))
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., in_features) in; (..., out_features) out, in the type of the inputs."""
        scale, tokens = _quantised(inputs.reshape(-1, self.in_features))
        sums = torch._int_mm(tokens, self.weight.t())
        outputs = sums.to(inputs.dtype).mul_(scale).mul_(self.scale)
        if self.bias is not None:
            outputs += self.bias
        return outputs.view(*inputs.shape[:-1], self.out_features)


def quantise_linear_layers(model: Any) -> None:
    """Put an `Int8Linear` in the place of each linear layer of `model`.

    Raises `GenerationError` where 8-bit products are not exact: some processors add them in 16 bits.
    """
    largest = torch.full((32, 256), _LARGEST, dtype=torch.int8)
    if not bool((torch._int_mm(largest, largest.t()) == 256 * _LARGEST**2).all()):
        raise GenerationError('This processor cannot run a model in int8; set generation.dtype to "float32".')
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, Int8Linear(module))


def _quantised(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row's scale, (rows, 1), and the row in 8-bit integers."""
    scale = rows.abs().amax(dim=1, keepdim=True).clamp_min_(1e-12).div_(_LARGEST)
    return scale, (rows / scale).round_().to(torch.int8)
