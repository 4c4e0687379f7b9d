"""LoRA adapters in memory beside one base model, switched between generations."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapters.base_model import LoadedBase
from adapters.checks import CheckedAdapter, check_adapter
from adapters.generation import Message
from adapters.manifest import WEIGHTS_FILE, AdapterError
from adapters.registry import InstalledAdapter

if TYPE_CHECKING:
    import torch

_PROBE = (Message("user", "Tell me in one sentence what you can do."),)


class LoadedAdapters:
    """The base model and at most `max_loaded` adapters on it; the one used longest ago makes room.

    One thread only: an adapter must not change while the model runs
    (https://github.com/huggingface/peft/issues/804).
    """

    def __init__(self, base: LoadedBase, max_loaded: int) -> None:
        self._base = base
        self._max_loaded = max_loaded
        self._peft: Any = None
        self._names: OrderedDict[str, None] = OrderedDict()

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the adapters in memory, the one used longest ago first."""
        return tuple(self._names)

    @contextmanager
    def speaking_as(self, adapter: InstalledAdapter | None) -> Iterator[Any]:
        """The model with `adapter` at work, or for None the untouched base, until the block ends.

        Raises `AdapterError` when the adapter is refused.
        """
        if adapter is None:
            if self._peft is None:
                yield self._base.model
                return
            with self._peft.disable_adapter():
                yield self._peft
            return
        # Loading new weights onto a name keeps its old scaling, so a name never changes its meaning.
        name = f"a_{adapter.manifest.hash[:16]}"
        if name not in self._names:
            self._load(name, check_adapter(adapter.folder, self._base.prepared))
        self._names.move_to_end(name)
        while len(self._names) > self._max_loaded:
            self._peft.delete_adapter(self._names.popitem(last=False)[0])
        self._peft.set_adapter(name, inference_mode=True)
        yield self._peft

    def _load(self, name: str, adapter: CheckedAdapter) -> None:
        with self.speaking_as(None) as model:
            before = self._probe(model)
        try:
            self._add(name, adapter)
            self._peft.set_adapter(name, inference_mode=True)
            after = self._probe(self._peft)
            if not bool(after.isfinite().all()):
                raise AdapterError(f"Adapter {adapter.manifest.reference} breaks the model; train it again.")
            if bool((after == before).all()):
                raise AdapterError(f"Adapter {adapter.manifest.reference} has no effect on this model.")
        except BaseException:
            self._discard(name)
            raise
        self._names[name] = None

    def _add(self, name: str, adapter: CheckedAdapter) -> None:
        from peft import LoraConfig, PeftModel, set_peft_model_state_dict
        from safetensors.torch import load_file

        settings = adapter.settings
        # Built from the checked settings: the file itself can name libraries to import.
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=settings.r,
            lora_alpha=settings.lora_alpha,
            target_modules=list(settings.target_modules),
            use_rslora=settings.use_rslora,
            inference_mode=True,
        )
        weights = {
            key: tensor.to(self._base.dtype)
            for key, tensor in load_file(adapter.folder / WEIGHTS_FILE).items()
        }
        if self._peft is None:
            self._peft = PeftModel(self._base.model, config, adapter_name=name, autocast_adapter_dtype=False)
        else:
            self._peft.add_adapter(name, config, autocast_adapter_dtype=False)
        result = set_peft_model_state_dict(self._peft, weights, adapter_name=name)
        missing = [key for key in result.missing_keys if f".{name}." in key]
        if result.unexpected_keys or missing:
            raise AdapterError(
                f"Adapter {adapter.manifest.reference} does not fit the model: "
                f"{[*result.unexpected_keys, *missing][0]}."
            )

    def _discard(self, name: str) -> None:
        if self._peft is None or name not in self._peft.peft_config:
            return
        if self._names:
            self._peft.delete_adapter(name)
        else:
            self._peft.unload()
            self._peft = None

    def _probe(self, model: Any) -> torch.Tensor:
        """The logits that follow a fixed prompt."""
        import torch

        prompt = torch.tensor([self._base.tokenizer.encode(_PROBE)])
        with torch.inference_mode():
            logits: torch.Tensor = model(input_ids=prompt, logits_to_keep=1).logits
        return logits
