"""Attention over texts of different lengths that are read in one run of the model, without padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapters.generation import GenerationError

if TYPE_CHECKING:
    import torch

ROW_ATTENTION = "lorebot_rows"

# Few queries are quicker as two plain matrix products; many would make the matrix of scores large.
_FEW_QUERIES = 16

LayerMemory = tuple["torch.Tensor", "torch.Tensor"]


class TextMemory:
    """The keys and values of one text's tokens, layer by layer, in place for as many as will ever be."""

    def __init__(self, room: int) -> None:
        self.length = 0
        self._room = room
        self._layers: list[LayerMemory] = []

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> LayerMemory:
        """Place the next tokens' keys and values after those kept, and give all of them.

        Shapes: (heads, tokens, size) in; (heads, kept + tokens, size) out. They are kept once
        `keep` says so; until then the next run writes over them.
        """
        if layer == len(self._layers):
            self._layers.append(
                (
                    keys.new_empty(keys.shape[0], self._room, keys.shape[2]),
                    values.new_empty(values.shape[0], self._room, values.shape[2]),
                )
            )
        all_keys, all_values = self._layers[layer]
        end = self.length + keys.shape[1]
        all_keys[:, self.length : end] = keys
        all_values[:, self.length : end] = values
        return all_keys[:, :end], all_values[:, :end]

    def keep(self, tokens: int) -> None:
        """Keep the first `tokens` of those written in the last run."""
        self.length += tokens

    def copy(self) -> tuple[LayerMemory, ...]:
        """What is kept, in tensors of its own."""
        return tuple(
            (keys[:, : self.length].clone(), values[:, : self.length].clone())
            for keys, values in self._layers
        )

    def begin_with(self, layers: Sequence[LayerMemory]) -> None:
        """Start from what another text kept of the same beginning."""
        for layer, (keys, values) in enumerate(layers):
            self.write(layer, keys, values)
        self.keep(layers[0][0].shape[1])


def read_rows_apart(model: Any) -> None:
    """Let `model` take a run's texts as `rows`, each with its memory and its number of tokens.

    Calls without `rows` go on as before. This is transformers' interface for attention of one's own
    (https://huggingface.co/docs/transformers/attention_interface).
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def attend(
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        rows: Sequence[tuple[TextMemory, int]] | None = None,
        **options: Any,
    ) -> tuple[torch.Tensor, None]:
        if rows is None:
            output: tuple[torch.Tensor, None] = sdpa_attention_forward(
                module, query, key, value, attention_mask, **options
            )
            return output
        _refuse_what_is_not_computed(options)
        window = options.get("sliding_window") or None
        return _attend_rows(
            module.layer_idx, query[0], key[0], value[0], rows, options["scaling"], window
        ), None

    AttentionInterface.register(ROW_ATTENTION, attend)
    AttentionMaskInterface.register(ROW_ATTENTION, sdpa_mask)
    model.set_attn_implementation(ROW_ATTENTION)


def _attend_rows(
    layer: int,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: Sequence[tuple[TextMemory, int]],
    scaling: float,
    window: int | None,
) -> torch.Tensor:
    """(heads, tokens, size) in; (1, tokens, heads, size) out. A query sees the last `window` keys."""
    import torch

    outputs = []
    start = 0
    for memory, tokens in rows:
        part = slice(start, start + tokens)
        keys, values = memory.write(layer, key[:, part], value[:, part])
        if window is not None:
            keys, values = keys[:, -(window + tokens - 1) :], values[:, -(window + tokens - 1) :]
        attend = _attend_few if tokens <= _FEW_QUERIES else _attend_many
        outputs.append(attend(query[:, part], keys, values, scaling, window))
        start += tokens
    return torch.cat(outputs, dim=1).transpose(0, 1).unsqueeze(0)


def _refuse_what_is_not_computed(options: Mapping[str, Any]) -> None:
    """Raise `GenerationError` for a kind of attention that these rows would compute wrongly."""
    unknown = sorted(key for key in ("softcap", "s_aux", "head_mask") if options.get(key) is not None)
    if unknown:
        raise GenerationError(
            f"The base model's attention uses {', '.join(unknown)}, which Lorebot does not compute; name "
            "another model in `models.generation`."
        )


def _visible(queries: int, keys: int, window: int | None) -> torch.Tensor:
    """Which keys each query sees: the last `window` up to its own place, or all. (queries, keys)."""
    import torch

    seen = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    return seen if window is None else seen.triu(keys - queries - window + 1)


def _attend_few(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float, window: int | None
) -> torch.Tensor:
    import torch

    heads, queries, size = query.shape
    shared = keys.shape[0]
    # Query heads that share a key head stand together, so that no key is copied.
    grouped = query.reshape(shared, heads // shared * queries, size)
    scores = torch.bmm(grouped, keys.transpose(1, 2)).mul_(scaling)
    if queries > 1:
        hidden = ~_visible(queries, keys.shape[1], window).repeat(heads // shared, 1)
        scores.masked_fill_(hidden, float("-inf"))
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(values.dtype)
    return torch.bmm(weights, values).view(heads, queries, size)


def _attend_many(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float, window: int | None
) -> torch.Tensor:
    import torch

    repeats = query.shape[0] // keys.shape[0]
    if repeats > 1:
        keys, values = keys.repeat_interleave(repeats, dim=0), values.repeat_interleave(repeats, dim=0)
    return torch.nn.functional.scaled_dot_product_attention(
        query.unsqueeze(0),
        keys.unsqueeze(0),
        values.unsqueeze(0),
        attn_mask=_visible(query.shape[1], keys.shape[1], window),
        scale=scaling,
    )[0]
