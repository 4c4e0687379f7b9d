"""Low-rank adaptation of a base model on lessons: prompts with the replies that the adapter shall give."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.base_model import PreparedBase, load_weights
from adapters.chat import ChatTokenizer
from adapters.checks import CheckedAdapter
from adapters.files import replace_file
from adapters.lesson import Hyperparameters, Lesson, Loss, TrainingProgress, encode_lesson
from adapters.manifest import CONFIG_FILE, WEIGHTS_FILE, AdapterError
from adapters.reply_trainer import progress_reporter, reply_trainer

if TYPE_CHECKING:
    pass

TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_CHECKPOINTS = "checkpoints"


class TrainingCancelledError(Exception):
    """The training was stopped; its last checkpoint lies on disk and training goes on from there."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: the adapter's two files lie in `folder`; of all checkpoints it is the best.

    `steps` were made, `best_step` had the lowest held-out loss; `seconds` is this run's time alone.
    """

    folder: Path
    losses: tuple[Loss, ...]
    held_out_losses: tuple[Loss, ...]
    steps: int
    best_step: int
    seconds: float


def train(
    base: PreparedBase,
    lessons: Sequence[Lesson],
    held_out: Sequence[Lesson],
    parent: CheckedAdapter | None,
    hyperparameters: Hyperparameters,
    folder: Path,
    threads: int | None,
    report: Callable[[TrainingProgress], None],
    cancelled: threading.Event,
) -> Trained:
    """Train an adapter in `folder`, from `parent`'s weights or from nothing, on a GPU where there is one.

    The loss is on the replies alone. Checkpoints are kept in `folder`; where one lies there, training goes
    on from it. The same seed, data and number of threads give the same adapter. Blocks until the training
    ends; `report` is called from the same thread. Raises `TrainingCancelledError` soon after `cancelled` is
    set, and `AdapterError` when the parent's rank is not that asked for, or the loss is not a number.
    """
    import torch
    from transformers import set_seed
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    if parent is not None and parent.settings.r != hyperparameters.rank:
        raise AdapterError(
            f"{parent.manifest.reference} has rank {parent.settings.r} and a child must have the same, "
            f"but rank {hyperparameters.rank} was asked for."
        )
    if threads is not None:
        torch.set_num_threads(threads)
    set_seed(hyperparameters.seed)
    tokenizer = ChatTokenizer.from_folder(base.folder)
    encoded = [encode_lesson(lesson, tokenizer) for lesson in lessons]
    encoded_held_out = [encode_lesson(lesson, tokenizer) for lesson in held_out]
    model = _trainable(base, parent, hyperparameters)
    began = time.monotonic()
    checkpoints = folder / _CHECKPOINTS
    trainer = reply_trainer(
        model,
        encoded,
        encoded_held_out,
        tokenizer.padding,
        hyperparameters,
        checkpoints,
        progress_reporter(report, cancelled),
    )
    checkpoint = _last_checkpoint(checkpoints)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if cancelled.is_set():
        raise TrainingCancelledError(
            f"Training was stopped after step {trainer.state.global_step} of {trainer.state.max_steps}; "
            "the same command goes on from there."
        )
    losses = _losses(trainer.state.log_history, "loss")
    held_out_losses = _losses(trainer.state.log_history, "eval_loss")
    if not all(math.isfinite(loss.value) for loss in (*losses, *held_out_losses)):
        raise AdapterError("The loss stopped being a number; lower the learning rate.")
    save_adapter(trainer.model, folder)
    return Trained(
        folder=folder,
        losses=losses,
        held_out_losses=held_out_losses,
        steps=trainer.state.global_step,
        best_step=trainer.state.best_global_step or trainer.state.global_step,
        seconds=time.monotonic() - began,
    )


def save_adapter(model: Any, folder: Path) -> None:
    """Write the adapter's weights, halved to 16 bits, and the few settings that plain LoRA has."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    weights = get_peft_model_state_dict(model)
    halved = {name: tensor.detach().to("cpu", torch.float16).contiguous() for name, tensor in weights.items()}
    save_file(halved, folder / WEIGHTS_FILE)
    config = model.peft_config["default"]
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "target_modules": sorted(config.target_modules),
        "use_rslora": config.use_rslora,
        "bias": "none",
        "base_model_name_or_path": None,
    }
    replace_file(folder / CONFIG_FILE, json.dumps(settings, indent=2) + "\n")


def _trainable(base: PreparedBase, parent: CheckedAdapter | None, hyperparameters: Hyperparameters) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    model = load_weights(base, torch.float32)
    model.config.use_cache = False
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=hyperparameters.rank,
        lora_alpha=hyperparameters.alpha if parent is None else parent.settings.lora_alpha,
        target_modules=list(TARGET_MODULES if parent is None else parent.settings.target_modules),
        use_rslora=parent is not None and parent.settings.use_rslora,
    )
    model = get_peft_model(model, config)
    if parent is not None:
        weights = load_file(parent.folder / WEIGHTS_FILE)
        set_peft_model_state_dict(model, {name: tensor.float() for name, tensor in weights.items()})
    return model


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; an interrupted one is no start."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)


def _losses(history: Sequence[dict[str, Any]], name: str) -> tuple[Loss, ...]:
    return tuple(Loss(int(entry["step"]), float(entry[name])) for entry in history if name in entry)
