"""LoRA adapters in memory beside one base model, any mixture of them speaking in one run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adapters.base_model import LoadedBase
from adapters.checks import CheckedAdapter, LoraSettings, check_adapter
from adapters.generation import Message
from adapters.manifest import WEIGHTS_FILE, AdapterError
from adapters.registry import InstalledAdapter

if TYPE_CHECKING:
    import torch

    LoraPair = tuple[torch.Tensor, torch.Tensor]

_PROBE = (Message("user", "Tell me in one sentence what you can do."),)


class LoadedAdapters:
    """The base model and at most `max_loaded` adapters on it; the one used longest ago makes room.

    An adapter adds `scale * B(A(x))` to the output of each linear layer that it targets (Hu et al. 2021,
    arXiv 2106.09685), for the tokens that speak through it and no others. The base's own weights are never
    touched, so they may be of any kind, quantised too. One thread only.
    """

    def __init__(self, base: LoadedBase, max_loaded: int) -> None:
        self._base = base
        self._max_loaded = max_loaded
        self._loaded: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._layers: dict[str, _AdaptedLayer] = {}
        self._spans = _Spans()

    @property
    def loaded(self) -> tuple[str, ...]:
        """The hashes of the adapters in memory, the one used longest ago first."""
        return tuple(self._loaded)

    def load(self, adapter: InstalledAdapter, in_use: Collection[str] = ()) -> None:
        """Have `adapter` in memory, in the place of another where there are too many; see `make_room`.

        Raises `AdapterError` when the adapter is refused; the others stay as they are.
        """
        key = adapter.manifest.hash
        if key not in self._loaded:
            checked = check_adapter(adapter.folder, self._base.prepared)
            if checked.manifest.hash != key:
                raise AdapterError(f"Adapter {adapter.manifest.reference} was replaced just now; ask again.")
            self._add(checked)
        self._loaded.move_to_end(key)
        self.make_room({key, *in_use})

    def make_room(self, in_use: Collection[str]) -> None:
        """Drop those used longest ago where there are too many, but none `in_use`."""
        idle = [key for key in self._loaded if key not in in_use]
        for key in idle[: max(0, len(self._loaded) - self._max_loaded)]:
            self._remove(key)

    @contextmanager
    def speaking(self, spans: Sequence[tuple[str, int]]) -> Iterator[Any]:
        """The model for one text of neighbouring spans: the hash of an adapter ("" is the base), and how
        many tokens speak through it. For a single span the number is not looked at."""
        self._spans.set(spans)
        try:
            yield self._base.model
        finally:
            self._spans.set(())

    @contextmanager
    def speaking_as(self, adapter: InstalledAdapter | None) -> Iterator[Any]:
        """The model with `adapter` at work, or for None the untouched base, until the block ends.

        Raises `AdapterError` when the adapter is refused.
        """
        if adapter is not None:
            self.load(adapter)
        with self.speaking([("" if adapter is None else adapter.manifest.hash, 0)]) as model:
            yield model

    def _add(self, adapter: CheckedAdapter) -> None:
        before = self._base_probe
        key = adapter.manifest.hash
        weights = self._read(adapter)
        for module, pair in weights.items():
            self._layer(module).pairs[key] = pair
        self._loaded[key] = tuple(weights)
        try:
            after = self._probe(key)
            if not bool(after.isfinite().all()):
                raise AdapterError(f"Adapter {adapter.manifest.reference} breaks the model; train it again.")
            if bool((after == before).all()):
                raise AdapterError(f"Adapter {adapter.manifest.reference} has no effect on this model.")
        except BaseException:
            self._remove(key)
            raise

    def _remove(self, key: str) -> None:
        for module in self._loaded.pop(key):
            layer = self._layers[module]
            del layer.pairs[key]
            if not layer.pairs:
                layer.detach()
                del self._layers[module]

    def _layer(self, module: str) -> _AdaptedLayer:
        if module not in self._layers:
            self._layers[module] = _AdaptedLayer(self._base.model.get_submodule(module), self._spans)
        return self._layers[module]

    def _read(self, adapter: CheckedAdapter) -> dict[str, LoraPair]:
        """A and scale * B of each layer, transposed, by the layer's name."""
        from safetensors.torch import load_file

        tensors = load_file(adapter.folder / WEIGHTS_FILE)
        scale = _scale(adapter.settings)
        pairs = {}
        for name, first in tensors.items():
            module, found, _ = name.partition(".lora_A.")
            if found:
                second = tensors[f"{module}.lora_B.weight"]
                pairs[module.removeprefix("base_model.model.")] = (
                    first.to(self._base.dtype).t().contiguous(),
                    (second.float() * scale).to(self._base.dtype).t().contiguous(),
                )
        return pairs

    @cached_property
    def _base_probe(self) -> torch.Tensor:
        return self._probe("")

    def _probe(self, key: str) -> torch.Tensor:
        """The logits that follow a fixed prompt."""
        import torch

        prompt = torch.tensor([self._base.tokenizer.encode(_PROBE)])
        with self.speaking([(key, 0)]) as model, torch.inference_mode():
            logits: torch.Tensor = model(input_ids=prompt, logits_to_keep=1, use_cache=False).logits
        return logits


class _Spans:
    """Which tokens of the present run speak through which adapter."""

    def __init__(self) -> None:
        self.parts: tuple[tuple[str, slice], ...] = ()

    def set(self, spans: Sequence[tuple[str, int]]) -> None:
        merged: list[tuple[str, int]] = []
        for key, tokens in spans:
            if merged and merged[-1][0] == key:
                tokens += merged.pop()[1]
            merged.append((key, tokens))
        if len(merged) == 1:
            self.parts = ((merged[0][0], slice(None)),)
            return
        parts, start = [], 0
        for key, tokens in merged:
            parts.append((key, slice(start, start + tokens)))
            start += tokens
        self.parts = tuple(parts)


class _AdaptedLayer:
    """A linear layer, to whose output each span's adapter adds its part."""

    def __init__(self, linear: Any, spans: _Spans) -> None:
        self.pairs: dict[str, LoraPair] = {}
        self._spans = spans
        self._hook = linear.register_forward_hook(self._adapt)

    def detach(self) -> None:
        self._hook.remove()

    def _adapt(self, _: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        for key, part in self._spans.parts:
            if pair := self.pairs.get(key):
                first, second = pair
                tokens = inputs[0][:, part].flatten(0, 1)
                output[:, part].view(-1, output.shape[-1]).addmm_(tokens @ first, second)
        return output


def _scale(settings: LoraSettings) -> float:
    """How strongly the adapter speaks; rsLoRA divides by the root of the rank (arXiv 2312.03732)."""
    return settings.lora_alpha / (settings.r**0.5 if settings.use_rslora else settings.r)
